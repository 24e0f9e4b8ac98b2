import { AsyncLocalStorage } from 'node:async_hooks'
import { Agent } from 'node:http'
import { describe, expect, it } from 'vitest'
import { raw } from '../attacks/raw.js'
import { gate } from '../middleware/contract-stage.js'
import { until } from '../support/until.js'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()

/** Many requests over one connection: hits and misses, with and without bodies. */
async function keepsOneConnection(get: Client, connections: () => number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let round = 0; round < 3; round++) {
    for (const options of [
      {},
      { method: 'HEAD' },
      { fields: { 'if-none-match': '*' } },
      { fields: { range: 'bytes=0-1' } },
      { fields: { range: 'bytes=99-' } },
      { method: 'POST', body: 'body' },
    ]) {
      const got = await get('/page', { agent, ...options })
      expect([got.status < 500, got.broken]).toEqual([true, false])
    }
  }
  agent.destroy()
  expect(connections()).toBe(1)
}

/** Several requests in one piece: the answers come in order, from the handler and from the store. */
async function answersInOrder(get: Client): Promise<void> {
  const lines = (method: string, path: string, ...more: string[]) =>
    `${[`${method} ${path} HTTP/1.1`, 'Host: a', ...more].join('\r\n')}\r\n\r\n`
  for (let round = 0; round < 2; round++) {
    const text = await raw(
      get.port,
      [
        ...[
          lines('GET', '/one'),
          lines('GET', '/two'),
          lines('HEAD', '/one'),
          lines('GET', '/one', 'Range: bytes=0-4'),
        ],
        ...[lines('GET', '/two', 'If-None-Match: *'), lines('GET', '/three', 'Connection: close')],
      ].join(''),
    )
    expect(text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9))).toEqual([
      '200',
      '200',
      '200',
      '206',
      '304',
      '200',
    ])
    expect(text.match(/for \/(?:one|two|three)?/g)).toEqual(['for /one', 'for /two', 'for /', 'for /three'])
  }
}

/** Those who wait for the run of another go on in their own context, and so does that other one. */
async function goesOnAsItself(get: Client, seen: readonly string[], finish: () => void, waiting: () => number) {
  const all = ['a', 'b', 'c'].map((who) => get('/slow', { fields: { 'x-who': who } }))
  await until('all to have come', () => waiting() === 3)
  finish()
  for (const got of await Promise.all(all)) expect(got.text).toBe('slow')
  await until('all to have been seen', () => seen.length === 3)
  expect([...seen].sort()).toEqual(['a a', 'b b', 'c c'])
}

describe.each(expresses)('connections to %s', (_, createApplication) => {
  it('stay open from answer to answer', async () => {
    const ports = new Set<unknown>()
    const app = createApplication()
    app.use((req, _res, next) => {
      ports.add(req.socket.remotePort)
      next()
    })
    app.use(stage.express())
    app.all('/page', (_req, res) => void res.send('page'))
    await keepsOneConnection(await stage.serve(app), () => ports.size)
  })

  it('may carry several requests at once', async () => {
    const app = createApplication()
    app.use(stage.express())
    app.get('/:page', (req, res) => void res.send(`for ${req.path}`))
    await answersInOrder(await stage.serve(app))
  })

  it('each go on in their own async context, though one handler ran for all', async () => {
    const storage = new AsyncLocalStorage<string>()
    const { opened, open } = gate()
    const seen: string[] = []
    let come = 0
    const app = createApplication()
    app.use((req, res, next) => {
      come += 1
      const who = String(req.headers['x-who'])
      storage.run(who, () => {
        res.once('finish', () => seen.push(`${who} ${storage.getStore()}`))
        next()
      })
    })
    app.use(stage.express())
    app.get('/slow', async (_req, res) => {
      await opened
      res.send('slow')
    })
    await goesOnAsItself(await stage.serve(app), seen, open, () => come)
  })
})

describe.each(koas)('connections to %s', (_, createApplication) => {
  it('stay open from answer to answer', async () => {
    const ports = new Set<unknown>()
    const app = createApplication()
    app.use(async (ctx, next) => {
      ports.add(ctx.req.socket.remotePort)
      await next()
    })
    app.use(stage.koa())
    app.use((ctx) => {
      ctx.body = 'page'
    })
    await keepsOneConnection(await stage.serve(app), () => ports.size)
  })

  it('may carry several requests at once', async () => {
    const app = createApplication()
    app.use(stage.koa())
    app.use((ctx) => {
      ctx.body = `for ${ctx.path}`
    })
    await answersInOrder(await stage.serve(app))
  })

  it('each go on in their own async context, though one handler ran for all', async () => {
    const storage = new AsyncLocalStorage<string>()
    const { opened, open } = gate()
    const seen: string[] = []
    let come = 0
    const app = createApplication()
    app.use((ctx, next) => {
      come += 1
      const who = ctx.get('x-who')
      return storage.run(who, async () => {
        await next()
        seen.push(`${who} ${storage.getStore()}`)
      })
    })
    app.use(stage.koa())
    app.use(async (ctx) => {
      await opened
      ctx.body = 'slow'
    })
    await goesOnAsItself(await stage.serve(app), seen, open, () => come)
  })
})
