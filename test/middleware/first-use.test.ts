import { createServer, type Server } from 'node:http'
import express5 from 'express'
import express4 from 'express4'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { fallbackCache as forExpress } from '../../src/middleware/express.js'
import { fallbackCache as forKoa } from '../../src/middleware/koa.js'
import { listen } from './hosts/listen.js'

const warnings: string[] = []
const keep = (warning: Error): void => void warnings.push(warning.message)
beforeEach(() => void process.on('warning', keep))
afterEach(() => {
  process.off('warning', keep)
  warnings.length = 0
})

/** Lets the warnings of this turn be told. */
const told = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The message of the error that a first request meets. */
async function saidByExpress(express: typeof express5, middleware: unknown): Promise<string> {
  const app = express()
  let said = ''
  app.use(middleware as express5.RequestHandler)
  app.use(((error, _request, response, _next) => {
    said = error.message
    response.status(500).end()
  }) satisfies express5.ErrorRequestHandler)
  await askOnce(createServer(app))
  return said
}

async function saidByKoa(Koa: typeof Koa3, middleware: unknown): Promise<string> {
  const app = new Koa()
  let said = ''
  app.on('error', (error: Error) => {
    said = error.message
  })
  app.use(middleware as Koa3.Middleware)
  await askOnce(createServer(app.callback()))
  return said
}

async function askOnce(server: ReturnType<typeof createServer>): Promise<void> {
  const site = await listen(server)
  expect((await fetch(`http://127.0.0.1:${site.port}/`)).status).toBe(500)
  await site.close()
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('in %s', (_, express) => {
  it('fallbackCache without the call says to call it', async () => {
    expect(await saidByExpress(express, forExpress)).toMatch(/without being called: write app\.use\(fallbackCache\(/)
    expect(await saidByExpress(express, forKoa)).toMatch(/without being called/)
  })

  it.each(['with', 'dashboard', 'purgeEndpoint'] as const)('%s without the call says to call it', async (name) => {
    const cached = forExpress({ ttl: 60 })
    expect(await saidByExpress(express, cached[name])).toMatch(
      new RegExp(`^cached\\.${name} was mounted without being called: write app\\.use\\(cached\\.${name}\\(`),
    )
  })

  it('the middleware of Koa names the module for Express', async () => {
    expect(await saidByExpress(express, forKoa({ ttl: 60 }))).toContain("from 'fallback-cache/express'")
  })
})

describe.each([
  ['Koa 3', Koa3],
  ['Koa 2', Koa2 as unknown as typeof Koa3],
])('in %s', (_, Koa) => {
  it('fallbackCache without the call says to call it', async () => {
    expect(await saidByKoa(Koa, forKoa)).toMatch(/without being called: write app\.use\(fallbackCache\(/)
    expect(await saidByKoa(Koa, forExpress)).toMatch(/without being called/)
  })

  it.each(['with', 'dashboard', 'purgeEndpoint'] as const)('%s without the call says to call it', async (name) => {
    const cached = forKoa({ ttl: 60 })
    expect(await saidByKoa(Koa, cached[name])).toMatch(
      new RegExp(`^cached\\.${name} was mounted without being called: write app\\.use\\(cached\\.${name}\\(`),
    )
  })

  it('the middleware of Express names the module for Koa', async () => {
    expect(await saidByKoa(Koa, forExpress({ ttl: 60 }))).toContain("from 'fallback-cache/koa'")
  })
})

describe.each([
  ['Express', forExpress],
  ['Koa', forKoa],
])('the options of %s', (_, fallbackCache) => {
  it('say that redis is undefined, once for each instance', async () => {
    for (let instance = 1; instance <= 2; instance++) {
      const cached = fallbackCache({ ttl: 60, redis: undefined })
      cached.with({ ttl: 30 })
      await told()
      expect(warnings.filter((text) => text.includes('redis is given, and undefined'))).toHaveLength(instance)
      expect(cached.stats().backend).toBe('memory')
    }
  })

  it('say so to the logger, where there is one, and not at all where the cache is off', async () => {
    const lines: string[] = []
    const logger = { info: () => {}, warn: (_details: object, message: string) => void lines.push(message) }
    fallbackCache({ redis: undefined, logger })
    fallbackCache({ redis: undefined, enabled: false, logger })
    fallbackCache({ logger })
    await told()
    expect(lines).toEqual([expect.stringContaining('redis is given, and undefined')])
    expect(warnings).toEqual([])
  })

  it('are one object: a second argument is an error', () => {
    const call = fallbackCache as (...given: unknown[]) => unknown
    for (const given of [
      ['5 minutes', () => true],
      [{ ttl: 60 }, () => true],
      [{ ttl: 60 }, { skip: () => true }],
    ]) {
      expect(() => call(...given)).toThrow('takes its options as one object')
    }
    expect(call({ ttl: 60 }, undefined)).toBeTypeOf('function')
  })

  it('bound memory by bytes, unless a number is given', () => {
    expect(fallbackCache().stats().maxEntries).toBe(Number.POSITIVE_INFINITY)
    expect(fallbackCache({ maxEntries: 7 }).stats().maxEntries).toBe(7)
  })

  it('ask whether more than 30 days are meant in milliseconds', async () => {
    fallbackCache({ statusTtl: { 200: 77_760_000 } })
    fallbackCache({ defaultTtl: 2_592_001 })
    fallbackCache({ ttl: 2_592_000 })
    fallbackCache({ ttl: '90 days' })
    await told()
    expect(warnings.filter((text) => text.includes('milliseconds')).length).toBeLessThanOrEqual(2)
  })
})

describe('enabled: false', () => {
  /** The tags that the handler names, and a POST that invalidates. */
  const build = {
    express: (cached: ReturnType<typeof forExpress>, run: () => number) => {
      const app = express5()
      app.use(cached)
      app.get('/page', (_req, res) => {
        res.fallbackCache.tag('a').ttl('5m')
        res.send(`run ${run()}`)
      })
      app.post('/page', (_req, res) => void res.send('done'))
      return app
    },
    koa: (cached: ReturnType<typeof forKoa>, run: () => number) => {
      const app = new Koa3()
      app.use(cached)
      app.use((ctx) => {
        ctx.fallbackCache.tag('a').ttl('5m')
        ctx.body = `run ${run()}`
      })
      return app
    },
  }
  // Nothing listens there: it is not asked.
  const options = { ttl: 60, enabled: false, redis: 'redis://127.0.0.1:1' }

  async function isOff(cached: ReturnType<typeof forExpress> | ReturnType<typeof forKoa>, server: Server) {
    const site = await listen(server)
    const url = `http://127.0.0.1:${site.port}/page`
    for (let run = 1; run <= 2; run++) {
      const response = await fetch(url)
      expect(response.headers.get('cache-status')).toBe('fallback-cache; fwd=bypass; detail=disabled')
      expect(await response.text()).toBe(`run ${run}`)
    }
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(200)
    expect(await cached.invalidate('/page')).toMatchObject({ durable: true })
    expect(await cached.invalidate()).toMatchObject({ durable: true })
    expect(await cached.invalidateTags(['a'])).toMatchObject({ durable: true })
    expect(cached.stats()).toMatchObject({ backend: 'memory', entries: 0, connected: true, pendingInvalidations: 0 })
    expect(cached.stats().counters).toMatchObject({ stores: 0, bypassed: 3 })
    expect(await cached.explain({ url })).toMatchObject({ outcome: 'pass', reason: 'disabled' })
    await cached.close()
    expect((await fetch(url)).headers.get('cache-status')).toContain('detail=disabled')
    await site.close()
    await told()
    expect(warnings).toEqual([])
  }

  for (const front of [false, true]) {
    const where = front ? ' in front of the application' : ''
    it(`has every method and stores nothing in Express${where}`, async () => {
      let runs = 0
      const cached = forExpress(options)
      const app = build.express(cached, () => ++runs)
      await isOff(cached, front ? cached.serve(app) : createServer(app))
    })

    it(`has every method and stores nothing in Koa${where}`, async () => {
      let runs = 0
      const cached = forKoa(options)
      const app = build.koa(cached, () => ++runs)
      await isOff(cached, front ? cached.serve(app) : createServer(app.callback()))
    })
  }

  it('still refuses options that cannot be meant', () => {
    expect(() => forExpress({ enabled: false, ttl: -1 })).toThrow(RangeError)
    expect(() => forExpress({ enabled: false, redis: 'redis://h/abc' })).toThrow(TypeError)
  })

  it('makes a core that computes each time and keeps nothing', async () => {
    const cache = new FallbackCache({ enabled: false, redis: options.redis })
    let runs = 0
    const compute = (): object => ({ run: ++runs })
    const made = await Promise.all([cache.getOrSet('k', compute), cache.getOrSet('k', compute)])
    expect(made).toEqual([{ run: 1 }, { run: 2 }])
    await expect(cache.getOrSet('k', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await cache.set('k', 1, { ttl: '1h', tags: ['t'] })
    expect(await cache.get('k')).toBeNull()
    expect(await cache.delete('k')).toBe(false)
    expect(await cache.invalidatePrefix('k')).toMatchObject({ durable: true })
    expect(await cache.clear()).toMatchObject({ durable: true })
    expect(cache.isClosed).toBe(false)
    await cache.close()
  })
})
