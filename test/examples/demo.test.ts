import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { until } from '../support/until.js'
import { ExampleProcess } from './example-process.js'

const PROCESSES = ['express-1', 'express-2', 'koa-1', 'koa-2']
const REYKJAVIK = '/cities/3413829'

type Demo = Awaited<ReturnType<typeof startDemo>>

describe.skipIf(process.env.SKIP_REDIS === '1')('npm start', () => {
  let demo: Demo

  beforeAll(async () => {
    demo = await startDemo()
  }, 60_000)

  afterAll(async () => {
    await demo?.process.stop()
  })

  it('answers in each process from what one of them stored', async () => {
    const { get } = demo
    expect(await get('/countries/NO', 'express-2')).toMatchObject({ source: 'handler', computedBy: 'express-2' })
    for (const name of PROCESSES)
      expect(await get('/countries/NO', name), name).toMatchObject({ source: 'redis', computedBy: 'express-2' })
  })

  it('has asked each process for every popular page before it is shown', async () => {
    for (const name of PROCESSES) expect(await demo.get('/countries', name), name).toMatchObject({ source: 'redis' })
  })

  it.each(['express-1', 'koa-2'])(
    'shows what was written through %s in the next read of all processes',
    async (through) => {
      const { get, write } = demo
      const paths = [REYKJAVIK, '/countries/IS', '/countries', '/cities?q=reykjvik']
      for (const path of paths) expect((await get(path, 'express-2')).source, path).not.toBe('handler')
      const population = through === 'koa-2' ? 141_000 : 140_000
      expect(await write(REYKJAVIK, through, population)).toMatchObject({ population, durable: true })
      const revision = ((await get(REYKJAVIK, 'express-1')).body as { revision: number }).revision
      for (const path of paths) {
        const answers = []
        for (const name of PROCESSES) answers.push(await get(path, name))
        expect(JSON.stringify(answers[0]?.body), path).toContain(`"revision":${revision}`)
        for (const answer of answers.slice(1)) expect(answer.body, path).toEqual(answers[0]?.body)
      }
    },
  )

  it('keeps answering while its Redis is frozen, killed and restarted, and uses it again', async () => {
    const { get, act, state } = demo
    expect((await act('freeze')).redis).toBe('frozen')
    const answerMany = async () => {
      for (let i = 0; i < 30; i++) expect(await get('/countries/FR')).toMatchObject({ status: 200, source: 'memory' })
    }
    await answerMany()
    expect((await act('kill')).redis).toBe('down')
    await answerMany()
    expect((await act('restart')).redis).toBe('up')
    for (const name of PROCESSES)
      await until('an answer from Redis', async () => (await get('/countries/FR', name)).source === 'redis')
    expect(demo.process.output).toContain('SIGSTOP')
    await until('a calm state', async () => (await state()).apps.every(({ breaker }) => breaker === 'closed'))
  })

  it('says of a write in an outage which processes read the old record, until none does', async () => {
    const { act, lastWrite } = demo
    await act('freeze')
    await act('write')
    const during = await lastWrite()
    expect(during?.durable).toBe(false)
    expect(during?.everywhereAfter).toBeUndefined()
    expect(during?.reads.filter(({ now }) => now === during.written).map(({ app }) => app)).toEqual([during?.through])
    await act('resume')
    const after = await until('all read it', async () => {
      const write = await lastWrite()
      return write?.everywhereAfter === undefined ? undefined : write
    })
    expect(after.written).toBe(during?.written)
    expect(after.reads.map(({ now }) => now)).toEqual(PROCESSES.map(() => after.written))
  })

  it('ends at SIGTERM and takes its redis-server and its processes along', async () => {
    const pid = Number(/.*pid (\d+)/s.exec(demo.process.output)?.[1])
    expect(() => process.kill(pid, 0)).not.toThrow()
    expect((await demo.process.stop()).code).toBe(0)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})

describe('npm start without a redis-server', () => {
  let demo: Demo

  beforeAll(async () => {
    demo = await startDemo({ SKIP_REDIS: '1', PORT: String(await freePort()) })
  }, 60_000)

  afterAll(async () => {
    await demo?.process.stop()
  })

  it('listens on PORT', async () => {
    expect((await fetch(demo.origin)).status).toBe(200)
  })

  it('runs in memory, and says what processes do not share', async () => {
    const { get, act, lastWrite, process } = demo
    expect(process.output).toContain('Redis: none, as asked, so each process caches in its own memory')
    expect(process.output).not.toContain('Kill Redis')
    expect((await get('/countries/NO', 'express-1')).source).toBe('handler')
    expect((await get('/countries/NO', 'express-1')).source).toBe('memory')
    expect((await get('/countries/NO', 'koa-1')).source).toBe('handler')
    await act('write')
    const write = await lastWrite()
    expect(write?.reads.filter(({ now }) => now === write.written).map(({ app }) => app)).toEqual([write?.through])
    expect((await act('kill')).redis).toBe('none')
  })

  it('says so and ends when PORT is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    const port = await until('a port', () => (taken.address() as { port?: number } | null)?.port)
    const { code, output } = await new ExampleProcess('demo/server.ts', { PORT: String(port) }).ended()
    taken.close()
    expect(code).toBe(1)
    expect(output).toContain(`cannot listen on port ${port}`)
  })

  it('serves a page that loads nothing from elsewhere, under a strict Content-Security-Policy', async () => {
    const { origin } = demo
    const page = await fetch(origin)
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/)
    const parts = [...(await page.text()).matchAll(/<(?:script|link)[^>]* (?:src|href)="([^"]+)"/g)].map(
      (match) => match[1],
    )
    expect(parts).toEqual(['/demo/page.css', '/demo/page.js'])
    for (const part of [...parts, '/demo/story.js', '/demo/timeline.js'])
      expect((await fetch(origin + part)).status).toBe(200)
  })

  it('sends every answer to the page as it happens', async () => {
    const { origin, get } = demo
    const events = await fetch(`${origin}/demo/events`)
    await get('/countries/SE', 'koa-2')
    let text = ''
    for await (const chunk of events.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (text.includes('"url":"/countries/SE"')) break
    }
    expect(text).toContain('"app":"koa-2","computedBy":"koa-2","source":"handler","status":200')
  })

  it('takes orders from its own page only', async () => {
    const { origin } = demo
    expect((await fetch(`${origin}/demo/do/clear`, { method: 'POST' })).status).toBe(403)
    expect((await fetch(`${origin}/demo/do/clear`, { headers: { 'X-Demo': '1' } })).status).toBe(403)
  })

  it('ends at SIGINT', async () => {
    expect((await demo.process.stop('SIGINT')).code).toBe(0)
  })
})

async function startDemo(env: NodeJS.ProcessEnv = {}) {
  const demo = new ExampleProcess('demo/server.ts', { PORT: '0', DEMO_LOAD: 'off', DEMO_PLACES: '5000', ...env })
  const origin = await demo.printed(/http:\/\/\S+/, 50_000)
  await demo.printed(/Redis: .*\n/)
  const state = async () => (await (await fetch(`${origin}/demo/state`)).json()) as DemoState
  return {
    process: demo,
    origin,
    state,
    lastWrite: async () => (await state()).lastWrite,
    get: async (path: string, app?: string) => {
      const answer = await fetch(origin + path, app === undefined ? {} : { headers: { 'x-app': app } })
      const cacheStatus = answer.headers.get('cache-status') ?? ''
      return {
        status: answer.status,
        body: (await answer.json()) as unknown,
        computedBy: answer.headers.get('x-computed-by'),
        source: /; hit/.test(cacheStatus) ? /detail=(\w+)/.exec(cacheStatus)?.[1] : 'handler',
      }
    },
    write: async (path: string, app: string, population: number) => {
      const headers = { 'x-app': app, 'content-type': 'application/json' }
      const answer = await fetch(origin + path, { method: 'PATCH', headers, body: JSON.stringify({ population }) })
      return (await answer.json()) as { population: number; durable: boolean }
    },
    act: async (name: string) => {
      const answer = await fetch(`${origin}/demo/do/${name}`, { method: 'POST', headers: { 'X-Demo': '1' } })
      return (await answer.json()) as DemoState
    },
  }
}

interface DemoState {
  readonly redis: string
  readonly apps: readonly { readonly breaker: string }[]
  readonly lastWrite?: {
    readonly durable: boolean
    readonly written: number
    readonly through: string
    readonly everywhereAfter?: number
    readonly reads: readonly { readonly app: string; readonly now: number }[]
  }
}
