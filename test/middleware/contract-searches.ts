import { describe, expect, it } from 'vitest'
import { gate, useStage } from './contract-stage.js'
import type { CacheFace, CommonOptions, Host, Route } from './hosts/host.js'

/** Responses that say by No-Vary-Search which queries they are for. */
export function searchesContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  /** A page that counts its runs; `rule` may change while it stands. */
  const site = async (
    rule: () => string | undefined,
    options: CommonOptions = {},
    more: Record<string, string> = {},
    wait: () => Promise<void> | undefined = () => undefined,
  ) => {
    const cached = stage.cached({ ttl: 60, noVarySearch: true, ...options })
    const answer: Route<M>['answer'] = async ({ run, query }) => {
      const stated = rule()
      await wait()
      return {
        fields: { ...more, ...(stated && { 'no-vary-search': stated }) },
        body: `${run} ${query.get('id') ?? ''}`,
      }
    }
    const routes = ['/page', '/other'].map((path) => ({ path, answer }))
    const client = await stage.serve({ use: [cached], routes: [...routes, { path: '/page', method: 'PUT', answer }] })
    return { cached, client, get: async (path: string, fields = {}) => (await client.get(path, fields)).text }
  }

  describe('No-Vary-Search', () => {
    it('has a response answer queries that differ in what does not matter', async () => {
      const { client, get } = await site(() => 'params=("utm")')
      expect(await get('/page?id=1&utm=a')).toBe('1 1')
      const hit = await client.get('/page?utm=b&id=1&utm=c')
      expect([hit.text, hit.cacheStatus.hit]).toEqual(['1 1', true])
      expect(await get('/page?id=1')).toBe('1 1')
      expect(await get('/page?id=2&utm=a')).toBe('2 2')
      expect(await get('/page?id=1&x=1')).toBe('3 1')
      expect(await get('/page?id=1&utm=d')).toBe('1 1')
    })

    it('may name what matters, and say that order does not', async () => {
      const { get } = await site(() => 'key-order, except=("id" "lang")')
      expect(await get('/page?id=1&lang=en&utm=a')).toBe('1 1')
      expect(await get('/page?x&lang=en&id=1')).toBe('1 1')
      expect(await get('/page?id=1')).toBe('2 1')
    })

    it('may be written as browsers shipped it', async () => {
      const { get } = await site(() => 'params, except=("id")')
      await get('/page?id=1&utm=a')
      expect(await get('/page?utm=b&id=1')).toBe('1 1')
      expect(await get('/page?id=2')).toBe('2 2')
    })

    it('does not count unless the route says so', async () => {
      const { get } = await site(() => 'except=()', { noVarySearch: false })
      await get('/page?a')
      expect(await get('/page?b')).toBe('2 ')
    })

    it('is none when it cannot be understood', async () => {
      const { get } = await site(() => 'params=(utm)')
      await get('/page?utm=a')
      expect(await get('/page?utm=b')).toBe('2 ')
      expect(await get('/page?utm=a')).toBe('1 ')
    })

    it('counts for its own path and host only', async () => {
      const { get } = await site(() => 'except=()')
      expect(await get('/page?a')).toBe('1 ')
      expect(await get('/other?a')).toBe('1 ')
      expect(await get('/page?b', { host: 'other.example' })).toBe('2 ')
    })

    it('holds beside Vary', async () => {
      const { get } = await site(() => 'params=("utm")', {}, { vary: 'X-Plan' })
      expect(await get('/page?utm=a', { 'x-plan': 'gold' })).toBe('1 ')
      expect(await get('/page?utm=b', { 'x-plan': 'free' })).toBe('2 ')
      expect(await get('/page?utm=c', { 'x-plan': 'gold' })).toBe('1 ')
      expect(await get('/page?utm=d', { 'x-plan': 'free' })).toBe('2 ')
    })

    it('keeps those with credentials from what is for everybody', async () => {
      const { get } = await site(() => 'except=()')
      await get('/page?a', { authorization: 'Basic YTpi' })
      expect(await get('/page?b')).toBe('2 ')
      expect(await get('/page?c', { authorization: 'Basic YTpi' })).toBe('3 ')
    })

    it('keeps users apart whom the key tells apart', async () => {
      let user = 'alice'
      const { get } = await site(() => 'except=()', { user: () => user })
      expect(await get('/page?a')).toBe('1 ')
      user = 'bob'
      expect(await get('/page?b')).toBe('2 ')
      user = 'alice'
      expect(await get('/page?c')).toBe('1 ')
    })

    it('is invalidated with its path, for every query', async () => {
      const { cached, get } = await site(() => 'params=("utm")')
      await get('/page?id=1&utm=a')
      await cached.invalidate('/page')
      expect(await get('/page?id=1&utm=b')).toBe('2 1')
    })

    it('is invalidated by an unsafe request whose query is the same by the rule', async () => {
      const { client, get } = await site(() => 'params=("utm")')
      await get('/page?id=1&utm=a')
      await client.ask('/page?id=2&utm=c', { method: 'PUT' })
      expect(await get('/page?id=1&utm=b')).toBe('1 1')
      await client.ask('/page?id=1&utm=c', { method: 'PUT' })
      expect(await get('/page?id=1&utm=d')).toBe('2 1')
    })

    it('may change: the newest rule counts, and what was stored by another one is not found by it', async () => {
      let rule: string | undefined = 'params=("utm")'
      const { get } = await site(() => rule)
      expect(await get('/page?id=1&utm=a')).toBe('1 1')
      rule = 'except=("id")'
      expect(await get('/page?id=2&x=1')).toBe('2 2')
      expect(await get('/page?id=2&x=2')).toBe('2 2')
      expect(await get('/page?id=1&utm=a&x=3')).toBe('3 1')
      expect(await get('/page?id=1&utm=b')).toBe('3 1')
    })

    it('may be taken back: then a response is for its own query', async () => {
      let rule: string | undefined = 'except=()'
      const { get } = await site(() => rule)
      expect(await get('/page?a')).toBe('1 ')
      rule = undefined
      stage.clock.advance(61_000)
      expect(await get('/page?a')).toBe('2 ')
      expect(await get('/page?b')).toBe('3 ')
      expect(await get('/page?a')).toBe('2 ')
    })

    it('lets the newest of two suitable responses answer', async () => {
      let rule: string | undefined
      const { get } = await site(() => rule)
      expect(await get('/page?a')).toBe('1 ')
      stage.clock.advance(1_000)
      rule = 'except=()'
      expect(await get('/page?b')).toBe('2 ')
      expect(await get('/page?a')).toBe('2 ')
    })

    it('lets requests that differ in what does not matter wait for one another', async () => {
      const goOn = gate()
      let waits = false
      const { get } = await site(
        () => 'params=("utm")',
        {},
        {},
        () => (waits ? goOn.opened : undefined),
      )
      await get('/page?id=0')
      waits = true
      const all = ['a', 'b', 'c'].map((utm) => get(`/page?id=1&utm=${utm}`))
      setTimeout(goOn.open, 60)
      expect(await Promise.all(all)).toEqual(['2 1', '2 1', '2 1'])
    })

    it('is validated and refreshed as any other', async () => {
      const { get } = await site(() => 'params=("utm")', { staleWhileRevalidate: 60 })
      await get('/page?id=1&utm=a')
      stage.clock.advance(90_000)
      expect(await get('/page?id=1&utm=b')).toBe('1 1')
      await expect.poll(() => get('/page?id=1&utm=c')).toBe('2 1')
    })

    it('leaves to itself a query that is very long, or no text', async () => {
      const { get } = await site(() => 'except=()')
      expect(await get('/page?a')).toBe('1 ')
      expect(await get(`/page?${'x'.repeat(4100)}`)).toBe('2 ')
      expect(await get('/page?%ff')).toBe('3 ')
      expect(await get('/page?%fe')).toBe('4 ')
      expect(await get('/page?b')).toBe('1 ')
    })
  })
}
