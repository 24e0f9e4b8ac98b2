import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { RedisServer } from '../support/redis-server.js'
import { type Client, useStage } from './contract-stage.js'
import type { CacheFace, Host } from './hosts/host.js'

/**
 * Two applications, each with a core of its own, on one Redis.
 *
 * @param one - the framework of the first application
 * @param other - that of the second one
 */
export function redisContract<A extends CacheFace, B extends CacheFace>(one: Host<A>, other: Host<B>): void {
  if (process.env.SKIP_REDIS === '1') return
  const first = useStage(one)
  const second = useStage(other)
  let server: RedisServer

  beforeAll(async () => {
    server = await RedisServer.start()
  })
  beforeEach(async () => {
    await server.restart()
  })
  afterAll(() => server.stop())

  const options = () => ({ ttl: 60, redis: server.url, clock: systemClock })
  const binary = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256))

  const both = async () => {
    const a = first.cached(options())
    const b = second.cached(options())
    const answer =
      (name: string) =>
      ({ run, fields }: { run: number; fields: Record<string, unknown> }) => ({
        fields: { vary: 'Accept-Language', link: ['</1>', '</2>'], 'cache-tag': 'page' },
        body: `${name} ${run} ${fields['accept-language'] ?? ''}`,
      })
    const bytes = () => ({ fields: { 'content-type': 'image/png' }, body: binary })
    return {
      a,
      b,
      one: await first.serve({
        use: [a],
        routes: [
          { path: '/page', answer: answer('one') },
          { path: '/bytes', answer: bytes },
        ],
      }),
      other: await second.serve({
        use: [b],
        routes: [
          { path: '/page', answer: answer('other') },
          { path: '/page', method: 'PUT', answer: () => ({ body: 'put' }) },
          { path: '/bytes', answer: () => ({ body: 'not these' }) },
        ],
      }),
    }
  }
  const host = { host: 'shop.example' }
  const keys = async (part: string) => {
    const all = (await server.command('KEYS', '*')) as string[]
    return all.filter((key) => key.includes(part)).length
  }
  /** Asks for a page, and waits until Redis has it under so many keys. */
  const warm = async (client: Client, path: string, entries: number, fields = {}) => {
    const got = await client.get(path, { ...host, ...fields })
    await expect.poll(() => keys(`${path}:`), { timeout: 5_000 }).toBe(entries)
    return got
  }

  describe('two applications on one Redis', () => {
    it('answer from what the other one stored', async () => {
      const { one, other } = await both()
      const miss = await warm(one, '/page', 2)
      const hit = await other.get('/page', host)
      expect(hit.text).toBe('one 1 ')
      expect(hit.cacheStatus).toMatchObject({ hit: true })
      expect(hit.cacheStatus.detail).toContain('redis')
      expect(hit.lines('link')).toEqual(miss.lines('link'))
      expect(hit.field('etag')).toBe(miss.field('etag'))
      expect(hit.field('age')).toMatch(/^[01]$/)
    })

    it('share variants and bytes', async () => {
      const { one, other } = await both()
      await warm(one, '/page', 2, { 'accept-language': 'en' })
      await warm(one, '/page', 3, { 'accept-language': 'fr' })
      await warm(one, '/bytes', 1)
      expect((await other.get('/page', { ...host, 'accept-language': 'fr' })).text).toBe('one 2 fr')
      expect((await other.get('/page', { ...host, 'accept-language': 'en' })).text).toBe('one 1 en')
      expect((await other.get('/page', { ...host, 'accept-language': 'de' })).text).toBe('other 1 de')
      const bytes = await other.get('/bytes', host)
      expect(bytes.body.equals(binary)).toBe(true)
      expect(bytes.field('content-type')).toBe('image/png')
    })

    it('obey an invalidation by the other one from the next read on', async () => {
      const { b, one, other } = await both()
      await warm(one, '/page', 2)
      expect((await other.get('/page', host)).cacheStatus.hit).toBe(true)
      await expect(b.invalidate('/page')).resolves.toEqual({ durable: true })
      expect((await one.get('/page', host)).text).toBe('one 2 ')
    })

    it('keep answering from memory when Redis dies, and share again when it is back', async () => {
      const { one, other } = await both()
      await warm(one, '/page', 2)
      await other.get('/page', host)
      await server.kill()
      for (const client of [one, other]) {
        const got = await client.get('/page', host)
        expect([got.status, got.text]).toEqual([200, 'one 1 '])
        expect((await client.get('/bytes', host)).status).toBe(200)
      }
      await server.restart()
      // What was stored meanwhile is written back.
      await expect.poll(() => keys('/bytes:'), { timeout: 8_000 }).toBe(1)
    })

    it('keep answering when Redis freezes', async () => {
      const { one, other } = await both()
      await warm(one, '/page', 2)
      await other.get('/page', host)
      server.freeze()
      try {
        for (const client of [one, other]) {
          expect((await client.get('/page', host)).text).toBe('one 1 ')
          expect((await client.get('/bytes', host)).status).toBe(200)
        }
      } finally {
        server.resume()
      }
    })

    it('obey an unsafe request to the other one, and tags', async () => {
      const { a, one, other } = await both()
      await warm(one, '/page', 2)
      expect((await other.get('/page', host)).text).toBe('one 1 ')
      expect((await other.ask('/page', { method: 'PUT', fields: host })).status).toBe(200)
      expect((await warm(one, '/page', 2)).text).toBe('one 2 ')
      expect((await other.get('/page', host)).text).toBe('one 2 ')
      await a.invalidateTags(['page'])
      expect((await other.get('/page', host)).text).toBe('other 1 ')
    })
  })
}
