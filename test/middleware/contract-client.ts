import { Agent } from 'node:http'
import { describe, expect, it } from 'vitest'
import { useStage } from './contract-stage.js'
import type { CacheFace, Host } from './hosts/host.js'

/** What a client may ask for, and what it cannot have; and what the application hears of it. */
export function clientContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('a client', () => {
    const wishes: Record<string, Record<string, string>> = {
      'no-cache': { 'cache-control': 'no-cache' },
      'max-age=0': { 'cache-control': 'max-age=0' },
      Pragma: { pragma: 'no-cache' },
    }
    for (const [title, fields] of Object.entries(wishes)) {
      it(`cannot have the handler run by ${title}`, async () => {
        const client = await stage.page(({ run }) => ({ body: `run ${run}` }))
        await client.get('/page')
        expect((await client.get('/page', fields)).text).toBe('run 1')
      })
    }

    it('can, where allowRefresh says so, and everybody gets what was made for it', async () => {
      let allowed = false
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, allowRefresh: () => allowed })
      await client.get('/page')
      expect((await client.get('/page', { 'cache-control': 'no-cache' })).text).toBe('run 1')
      allowed = true
      const got = await client.get('/page', { 'cache-control': 'no-cache' })
      expect([got.text, got.cacheStatus.fwd, got.cacheStatus.stored]).toEqual(['run 2', 'request', true])
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('gets answers in their frames over one connection', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const fields = { etag: '"one"', 'content-type': 'text/plain' }
      const client = await stage.serve({
        use: [stage.cached({ ttl: 60 })],
        routes: [
          { path: '/page', answer: () => ({ fields, body: 'the page' }) },
          { path: '/none', answer: () => ({ status: 204, fields: { 'cache-control': 'max-age=60' } }) },
          { path: '/write', method: 'POST', answer: () => ({ body: 'written' }) },
        ],
      })
      try {
        const asked = [
          ['/page', {}, '200 the page'],
          ['/page', {}, '200 the page'],
          ['/page', { method: 'HEAD' }, '200 '],
          ['/page', { fields: { 'if-none-match': '"one"' } }, '304 '],
          ['/none', {}, '204 '],
          ['/none', {}, '204 '],
          ['/page', { fields: { range: 'bytes=4-' } }, '206 page'],
          ['/page', { fields: { range: 'bytes=90-' } }, '416 '],
          ['/write', { method: 'POST', body: 'x' }, '200 written'],
          ['/page', {}, '200 the page'],
        ] as const
        for (const [path, options, expected] of asked) {
          const got = await client.ask(path, { ...options, agent })
          expect(`${got.status} ${got.text}`).toBe(expected)
          expect(got.broken).toBe(false)
        }
        expect(Object.values(agent.freeSockets).flat()).toHaveLength(1)
      } finally {
        agent.destroy()
      }
    })

    it('who asks for OPTIONS is never answered from the store', async () => {
      const client = await stage.serve({
        use: [stage.cached({ ttl: 60 })],
        routes: [
          { path: '/page', answer: () => ({ body: 'page' }) },
          {
            path: '/page',
            method: 'OPTIONS',
            answer: ({ run }) => ({ fields: { allow: 'GET' }, body: `options ${run}` }),
          },
        ],
      })
      await client.get('/page')
      for (const run of [1, 2]) expect((await client.ask('/page', { method: 'OPTIONS' })).text).toBe(`options ${run}`)
      expect((await client.get('/page')).cacheStatus.hit).toBe(true)
    })

    it('who is named by the user option has answers of their own, credentials or not', async () => {
      let user: string | undefined
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, user: () => user })
      const get = (name: string | undefined) => {
        user = name
        return client.get('/page', name === undefined ? {} : { authorization: `Bearer ${name}` })
      }
      expect((await get('alice')).text).toBe('run 1')
      expect((await get('bob')).text).toBe('run 2')
      expect((await get(undefined)).text).toBe('run 3')
      expect((await get('alice')).text).toBe('run 1')
      expect((await get('bob')).text).toBe('run 2')
      expect((await get(undefined)).text).toBe('run 3')
    })
  })

  describe('events', () => {
    it('tell what became of each request', async () => {
      const cached = stage.cached({ ttl: 60 })
      const told: string[] = []
      cached.cache.on('miss', ({ key }) => told.push(`miss ${key.split(':')[0]}`))
      cached.cache.on('store', ({ key }) => told.push(`store ${key.split(':')[0]}`))
      cached.cache.on('hit', ({ key, tier, stale }) => told.push(`hit ${key.split(':')[0]} ${tier} ${stale}`))
      cached.cache.on('skip', ({ key, reason }) => told.push(`skip ${key.split(':')[0]} ${reason}`))
      cached.cache.on('bypass', ({ reason, method, path }) => told.push(`bypass ${reason} ${method} ${path}`))
      const client = await stage.serve({
        use: [cached],
        routes: [
          { path: '/page', answer: () => ({ body: 'page' }) },
          { path: '/mine', answer: () => ({ fields: { 'cache-control': 'private' }, body: 'mine' }) },
          { path: '/never', use: [stage.cached({ skip: () => true, cache: cached.cache })], answer: () => ({}) },
        ],
      })
      await client.get('/page')
      await client.get('/page')
      await client.get('/mine')
      expect(told).toEqual(['miss /page', 'store /page', 'hit /page memory false', 'miss /mine', 'skip /mine private'])
      await client.get('/never')
      expect(told).toContain('bypass skip GET /never')
    })
  })
}
