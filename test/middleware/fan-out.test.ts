import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { FallbackCache, type Invalidated } from '../../src/index.js'
import { fallbackCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { fallbackCache as koaFallbackCache } from '../../src/middleware/koa.js'

const servers: Server[] = []

async function listening(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

const NONE = { paths: [], prefixes: [], tags: [], keys: [], all: false, group: '', soft: false, durable: true }

describe('the event "invalidated"', () => {
  it('is emitted once for each invalidation, in the words in which it was issued', async () => {
    const cached = fallbackCache({ group: 'shop' })
    const heard: Invalidated[] = []
    cached.cache.on('invalidated', (invalidated) => heard.push(invalidated))
    await cached.invalidate`/products/${'a b'}`
    await cached.invalidate('/Products/', { soft: true })
    await cached.invalidate()
    await cached.invalidateTags(['a', 'b'])
    await cached.cache.invalidatePrefixes(['x'], { soft: true })
    await cached.cache.invalidateKey('k')
    await cached.cache.delete('k')
    await cached.cache.clear()
    expect(heard).toEqual([
      { ...NONE, paths: ['/products/a%20b'], group: 'shop' },
      { ...NONE, paths: ['/Products'], soft: true, group: 'shop' },
      { ...NONE, all: true, group: 'shop' },
      { ...NONE, tags: ['a', 'b'] },
      { ...NONE, prefixes: ['x'], soft: true },
      { ...NONE, keys: ['k'] },
      { ...NONE, keys: ['k'] },
      { ...NONE, all: true },
    ])
    await cached.close()
  })

  it('is not emitted for a dry run, for a POST, and once with nested caches', async () => {
    const outer = fallbackCache({ ttl: 60 })
    const inner = fallbackCache({ ttl: 60, cache: new FallbackCache() })
    const heard: string[] = []
    outer.cache.on('invalidated', ({ paths, tags }) => heard.push(`outer ${[...paths, ...tags]}`))
    inner.cache.on('invalidated', ({ paths, tags }) => heard.push(`inner ${[...paths, ...tags]}`))
    const app = express().use(outer, inner)
    app.all('/a', (_req, res) => void res.set('cache-group-invalidation', '"g"').send('a'))
    const url = await listening(app)
    await (await fetch(`${url}/a`)).text()
    await (await fetch(`${url}/a`, { method: 'POST' })).text()
    await outer.invalidate('/a', { dryRun: true })
    await outer.invalidateTags(['t'], { dryRun: true })
    expect(heard).toEqual([])
    await outer.invalidate('/a')
    await outer.invalidateTags(['t'])
    expect(heard).toEqual(['outer /a', 'outer t'])
    await outer.close()
  })

  it('does no harm if its listener throws', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const cache = new FallbackCache()
    cache.on('invalidated', () => {
      throw new Error('CDN')
    })
    expect(await cache.clear()).toMatchObject({ durable: true })
    expect(String(warned.mock.calls)).toMatch(/a listener of "invalidated" threw: Error: CDN/)
    warned.mockRestore()
  })
})

describe('emitTags', () => {
  const HOSTS: Readonly<Record<string, (options: MiddlewareOptions, own?: string) => Promise<string>>> = {
    Express: (options, own) => {
      const app = express().use(fallbackCache({ ttl: 60, ...options }))
      app.get('/:id', (_req, res) => {
        if (own !== undefined) res.set('Surrogate-Key', own)
        res.fallbackCache.tag('by-handler')
        res.send('hello')
      })
      return listening(app)
    },
    Koa: (options, own) => {
      const app = new Koa().use(koaFallbackCache({ ttl: 60, ...(options as object) }))
      app.use((ctx) => {
        if (own !== undefined) ctx.set('Surrogate-Key', own)
        ctx.fallbackCache.tag('by-handler')
        ctx.body = 'hello'
      })
      return listening(app.callback())
    },
  }
  /** The field of a miss, of a hit, of a conditional request and of a HEAD. */
  async function asked(url: string, field: string): Promise<(string | null)[]> {
    const miss = await fetch(`${url}/1`)
    const hit = await fetch(`${url}/1`)
    expect(hit.headers.get('cache-status')).toMatch(/hit/)
    const head = await fetch(`${url}/1`, { method: 'HEAD' })
    return [miss, hit, head].map(({ headers }) => headers.get(field))
  }

  describe.each(Object.entries(HOSTS))('in %s', (_name, start) => {
    it.each([
      ['Surrogate-Key', 'route by-handler'],
      ['xkey', 'route by-handler'],
      ['Cache-Tag', 'route,by-handler'],
      ['Edge-Cache-Tag', 'route,by-handler'],
    ] as const)('sends tags in %s, in misses and hits alike', async (emitTags, value) => {
      const fields = await asked(await start({ emitTags, tags: ['route'] }), emitTags)
      expect(fields.map((field) => field?.split(/[ ,]/).sort().join(' '))).toEqual(
        Array(3).fill(value.split(/[ ,]/).sort().join(' ')),
      )
    })

    it('adds them to those of the handler', async () => {
      const fields = await asked(await start({ emitTags: 'Surrogate-Key' }, 'own route'), 'surrogate-key')
      expect(fields).toEqual(Array(3).fill('own route by-handler'))
    })

    it('sends tags from a promise in hits', async () => {
      const url = await start({ emitTags: 'xkey', tags: () => Promise.resolve(['late']) })
      await (await fetch(`${url}/1`)).text()
      await expect.poll(async () => (await fetch(`${url}/1`)).headers.get('xkey')).toBe('by-handler late')
    })

    it('leaves out what the field cannot hold, and says so once', async () => {
      const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      const long = Array.from({ length: 300 }, (_, at) => `tag-${at}-${'x'.repeat(40)}`)
      const tags = ['a b', 'a,b', 'ü', 'x'.repeat(2000), 'line\r\nset-cookie: a=b', ...long]
      const [miss, hit] = await asked(await start({ emitTags: 'Cache-Tag', tags: () => tags }), 'cache-tag')
      expect(hit).toBe(miss)
      expect(miss?.length).toBeLessThanOrEqual(8000)
      expect(miss).not.toMatch(/ü|a b|\bb\b/)
      const said = () => warned.mock.calls.filter(([text]) => String(text).includes('emitTags'))
      // The text is loaded for the first warning.
      await expect.poll(said).toHaveLength(1)
      warned.mockRestore()
    })

    it('sends nothing without the option', async () => {
      const url = await start({ tags: ['route'] })
      const reply = await fetch(`${url}/1`)
      for (const field of ['surrogate-key', 'cache-tag', 'edge-cache-tag', 'xkey'])
        expect(reply.headers.has(field)).toBe(false)
    })
  })

  it('takes known fields only', () => {
    expect(() => fallbackCache({ emitTags: 'X-Tags' as never })).toThrow(/emitTags must be "Surrogate-Key" or/)
    expect(() => fallbackCache({ emitTags: 'cache-tag' as never })).not.toThrow()
  })
})

describe('the recipes of docs/behind-a-cdn.md', () => {
  const recipes = readFileSync('docs/behind-a-cdn.md', 'utf8')
  const invalidated = { ...NONE, paths: ['/Products'], tags: ['a', 'b'] }

  async function purged(
    cdn: string,
    given: object,
  ): Promise<{ method?: string; url?: string; headers: IncomingHttpHeaders; body: string }[]> {
    const [, code = ''] = new RegExp(`### ${cdn}\\n[\\s\\S]*?\`\`\`js\\n([\\s\\S]*?)\`\`\``).exec(recipes) ?? []
    const got: { method?: string; url?: string; headers: IncomingHttpHeaders; body: string }[] = []
    const url = await listening(async (req, res) => {
      let body = ''
      for await (const chunk of req) body += chunk
      got.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body })
      res.end('{}')
    })
    Object.assign(process.env, { FASTLY_API: url, FASTLY_SERVICE: 's1', FASTLY_TOKEN: 'secret' })
    Object.assign(process.env, {
      CLOUDFLARE_API: url,
      CLOUDFLARE_ZONE: 'z1',
      CLOUDFLARE_TOKEN: 'secret',
      VARNISHES: url,
    })
    const { purge } = await import(`data:text/javascript,${encodeURIComponent(`${code}\nexport { purge }`)}`)
    await purge({ ...NONE, ...given })
    return got
  }

  it('purge Fastly by keys, softly if asked', async () => {
    const [first, ...others] = await purged('Fastly', { ...invalidated, soft: true })
    expect(others).toEqual([])
    expect(first).toMatchObject({
      method: 'POST',
      url: '/service/s1/purge',
      headers: { 'fastly-key': 'secret', 'surrogate-key': 'a b path:/products', 'fastly-soft-purge': '1' },
    })
    const many = Array.from({ length: 600 }, (_, at) => `t${at}`)
    expect(await purged('Fastly', { tags: many })).toHaveLength(3)
  })

  it('purge Cloudflare by tags', async () => {
    const [first] = await purged('Cloudflare', { ...invalidated, all: true })
    expect(first).toMatchObject({
      method: 'POST',
      url: '/zones/z1/purge_cache',
      headers: { authorization: 'Bearer secret' },
    })
    expect(JSON.parse(first?.body ?? '')).toEqual({ tags: ['a', 'b', 'path:/products', 'path:/'] })
  })

  it('purge Varnish by keys', async () => {
    const [first] = await purged('Varnish', invalidated)
    expect(first).toMatchObject({ method: 'PURGE', headers: { 'xkey-purge': 'a b path:/products' } })
    expect((await purged('Varnish', { tags: ['a'], soft: true }))[0]?.headers['xkey-softpurge']).toBe('a')
  })
})
