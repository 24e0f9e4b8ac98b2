import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { type FinishedResponse, fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from './hosts/client.js'
import { listen } from './hosts/listen.js'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

describe('cacheIf', () => {
  it('is given the request in Express, and with() takes another one in its place', async () => {
    const asked: string[] = []
    const cached = fallbackCache({
      ttl: 60,
      cacheIf: ({ status }: FinishedResponse, req) => {
        asked.push(`${status} ${req.originalUrl} ${req.get('x-plan')}`)
        return false
      },
    })
    const app = express().set('env', 'test')
    app.get('/one', cached, (_req, res) => void res.send('one'))
    app.get('/two', cached.with({ cacheIf: () => true }), (_req, res) => void res.send('two'))
    app.get('/three', cached.with({ ttl: 9 }), (_req, res) => void res.send('three'))
    const running = await listen(app)
    open.push(cached, running)
    const stored = async (path: string) =>
      (await ask(running.port, path, { fields: { 'x-plan': 'pro' } })).cacheStatus.stored
    expect([await stored('/one'), await stored('/two'), await stored('/three')]).toEqual([false, true, false])
    expect(asked).toEqual(['200 /one pro', '200 /three pro'])
  })

  it('is given the context in Koa', async () => {
    const asked: string[] = []
    const cached = koaCache({
      ttl: 60,
      cacheIf: async ({ fields }, ctx) => {
        asked.push(`${fields['content-type']} ${ctx.path}`)
        return true
      },
    })
    const app = new Koa()
    app.use(cached).use((ctx) => {
      ctx.body = { page: 1 }
    })
    const running = await listen(app.callback())
    open.push(cached, running)
    await ask(running.port, '/page')
    await expect.poll(async () => (await ask(running.port, '/page')).cacheStatus.hit).toBe(true)
    expect(asked).toEqual(['application/json; charset=utf-8 /page'])
  })

  for (const isLate of [false, true]) {
    it(`is asked about the whole that two parts make, in the proxy preset${isLate ? ', and answers later' : ''}`, async () => {
      const asked: string[] = []
      const cached = fallbackCache({
        preset: 'proxy',
        cacheIf: ({ status, body }) => {
          asked.push(`${status} ${body}`)
          return isLate ? Promise.resolve(true) : true
        },
      })
      const app = express().set('env', 'test')
      app.get('/file', cached, (req, res) => {
        const [from = 0, to = 5] = (req.get('range') ?? '').slice(6).split('-').map(Number)
        const part = 'abcdef'.slice(from, to + 1)
        res.writeHead(206, {
          'cache-control': 'max-age=60',
          etag: '"v1"',
          'content-range': `bytes ${from}-${to}/6`,
          'content-length': `${part.length}`,
        })
        res.end(part)
      })
      const running = await listen(app)
      open.push(cached, running)
      const part = (range: string) => ask(running.port, '/file', { fields: { range: `bytes=${range}` } })
      expect((await part('0-2')).text).toBe('abc')
      await expect.poll(async () => (await part('0-2')).cacheStatus.hit).toBe(true)
      const second = await part('3-5')
      expect([second.status, second.text]).toEqual([206, 'def'])
      await expect.poll(async () => (await ask(running.port, '/file')).text).toBe('abcdef')
      expect(asked.slice(0, 2)).toEqual(['206 abc', '200 abcdef'])
    })
  }
})
