import { AsyncLocalStorage } from 'node:async_hooks'
import express, { type Request } from 'express'
import Koa, { type Context } from 'koa'
import { describe, expect, it, vi } from 'vitest'
import { isBackgroundRefresh } from '../../src/index.js'
import { fallbackCache as forExpress } from '../../src/middleware/express.js'
import { fallbackCache as forKoa } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { ask } from './hosts/client.js'
import { listen } from './hosts/listen.js'

/** What an application has seen of one request. */
interface Seen {
  readonly isRefresh: boolean
  readonly ip: string | undefined
  readonly url: string
  readonly context: unknown
}

describe('the request of a refresh', () => {
  const storage = new AsyncLocalStorage()

  const inExpress = (clock: ManualClock, seen: Seen[], trustProxy: boolean) => {
    const app = express()
    if (trustProxy) app.set('trust proxy', 'loopback')
    app.use((req, _res, next) => {
      const note = (request: Request): Seen => ({
        isRefresh: isBackgroundRefresh(request),
        ip: request.ip,
        url: `${request.protocol}://${request.host}${request.url}`,
        context: storage.getStore(),
      })
      seen.push(note(req))
      storage.run('of a client', next)
    })
    app.use(forExpress({ ttl: 60, staleWhileRevalidate: 300, clock }))
    app.get('/page', (_req, res) => void res.send('page'))
    return app
  }

  const inKoa = (clock: ManualClock, seen: Seen[], trustProxy: boolean) => {
    const app = new Koa({ proxy: trustProxy })
    app.use((ctx: Context, next) => {
      seen.push({ isRefresh: isBackgroundRefresh(ctx), ip: ctx.ip, url: ctx.href, context: storage.getStore() })
      return storage.run('of a client', next)
    })
    app.use(forKoa({ ttl: 60, staleWhileRevalidate: 300, clock }))
    app.use((ctx) => {
      ctx.body = 'page'
    })
    return app.callback()
  }

  const applications = { Express: inExpress, Koa: inKoa }
  for (const [name, application] of Object.entries(applications)) {
    it(`is sent by ${name} also under the fake timers of a test runner`, async () => {
      const clock = new ManualClock(Date.now())
      const seen: Seen[] = []
      const running = await listen(application(clock, seen, false))
      vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout'] })
      try {
        await ask(running.port, '/page')
        clock.advance(61_000)
        expect((await ask(running.port, '/page')).text).toBe('page')
        vi.useRealTimers()
        await expect.poll(() => seen.map(({ isRefresh }) => isRefresh)).toEqual([false, false, true])
      } finally {
        vi.useRealTimers()
        await running.close()
      }
    })

    const refreshed = async (fields: Record<string, string>, trustProxy = false) => {
      const clock = new ManualClock(Date.now())
      const seen: Seen[] = []
      const running = await listen(application(clock, seen, trustProxy))
      try {
        await ask(running.port, '/page', { fields })
        clock.advance(70_000)
        await ask(running.port, '/page', { fields })
        await expect.poll(() => seen).toHaveLength(3)
        return seen
      } finally {
        await running.close()
      }
    }

    it(`can be told from a client's, and has no client's address or context (${name})`, async () => {
      const seen = await refreshed({ host: 'shop.example', 'fallback-cache': 'refresh' })
      expect(seen.map(({ isRefresh }) => isRefresh)).toEqual([false, false, true])
      expect(seen[2]).toMatchObject({ ip: '192.0.2.1', url: 'http://shop.example/page', context: undefined })
    })

    it(`has the protocol and the host that a trusted proxy told, and nothing else that it told (${name})`, async () => {
      const seen = await refreshed(
        {
          host: 'inner.example',
          'x-forwarded-proto': 'https',
          'x-forwarded-host': 'shop.example',
          'x-forwarded-for': '7.7.7.7',
        },
        true,
      )
      expect(seen[1]).toMatchObject({ ip: '7.7.7.7', url: 'https://shop.example/page' })
      expect(seen[2]?.url).toBe('https://shop.example/page')
      expect(seen[2]?.ip).not.toBe('7.7.7.7')
    })
  }
})
