import { describe, expect, it } from 'vitest'
import { type Client, useStage } from './contract-stage.js'
import type { CacheFace, CommonOptions, Host, Route } from './hosts/host.js'

/** How many variants of a page are kept, and which. */
export function variantsContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('maxVariants', () => {
    const plans = (options: CommonOptions = {}) => {
      const cached = stage.cached({ ttl: 60, maxVariants: 2, ...options })
      const answer: Route<M>['answer'] = ({ run, fields }) => ({
        fields: { vary: 'X-Plan', 'cache-tag': `plan-${fields['x-plan']}` },
        body: `run ${run}`,
      })
      return stage.serve({ use: [cached], routes: [{ path: '/page', answer }] }).then((client) => ({ cached, client }))
    }
    const ask = (client: Client, plan: string, path = '/page') => client.get(path, { 'x-plan': plan })

    it('keeps so many variants: the next one takes the place of one that no request has asked for of late', async () => {
      const { client } = await plans()
      for (const plan of ['a', 'b']) expect((await ask(client, plan)).cacheStatus.stored).toBe(true)
      expect((await ask(client, 'a')).cacheStatus.hit).toBe(true)
      expect((await ask(client, 'c')).cacheStatus.stored).toBe(true)
      expect((await ask(client, 'a')).cacheStatus.hit).toBe(true)
      expect((await ask(client, 'b')).cacheStatus.hit).toBe(false)
    })

    it('keeps a variant that is in use, however many others come and go', async () => {
      const { client, cached } = await plans({ maxVariants: 8 })
      await ask(client, 'used')
      for (let other = 0; other < 100; other++) {
        expect((await ask(client, 'used')).cacheStatus.hit).toBe(true)
        await ask(client, `other ${other}`)
      }
      expect(cached.stats().entries).toBeLessThanOrEqual(9)
    })

    it('keeps the names by which variants are told apart few, though handlers let clients choose them', async () => {
      const cached = stage.cached({ ttl: 60 })
      const answer: Route<M>['answer'] = ({ run }) => ({ fields: { vary: `X-F${run}` }, body: 'x' })
      const client = await stage.serve({ use: [cached], routes: [{ path: '/page', answer }] })
      for (let n = 0; n < 40; n++) await client.get('/page', { [`x-f${n + 1}`]: 'y' })
      expect(cached.stats().entries).toBeLessThan(20)
    })

    it('counts for each query separately', async () => {
      const { client } = await plans()
      for (const plan of ['a', 'b', 'c']) await ask(client, plan)
      for (const plan of ['c', 'd']) expect((await ask(client, plan, '/page?a=1')).cacheStatus.stored).toBe(true)
    })

    it('lets a variant be replaced, and another one in when a lifetime is over', async () => {
      const { client } = await plans()
      await ask(client, 'a')
      stage.clock.advance(40_000)
      await ask(client, 'b')
      stage.clock.advance(30_000)
      expect((await ask(client, 'a')).cacheStatus.stored).toBe(true)
      expect((await ask(client, 'b')).cacheStatus.hit).toBe(true)
      stage.clock.advance(200_000)
      for (const plan of ['c', 'd']) expect((await ask(client, plan)).cacheStatus.stored).toBe(true)
    })

    for (const [what, invalidate] of [
      ['its path', (cached: M) => cached.invalidate('/page')],
      ['a tag', (cached: M) => cached.invalidateTags(['plan-a'])],
      ['everything', (cached: M) => cached.cache.clear()],
    ] as const) {
      it(`starts counting again when ${what} was invalidated`, async () => {
        const { cached, client } = await plans()
        for (const plan of ['a', 'b', 'c']) await ask(client, plan)
        await invalidate(cached)
        for (const plan of ['d', 'e']) expect((await ask(client, plan)).cacheStatus.stored).toBe(true)
      })
    }

    it('is 64 unless the route says otherwise', async () => {
      const { client } = await plans({ maxVariants: undefined })
      for (let plan = 0; plan < 64; plan++) await ask(client, `${plan}`)
      expect((await ask(client, '0')).cacheStatus.hit).toBe(true)
      await ask(client, 'one more')
      expect((await ask(client, '0')).cacheStatus.hit).toBe(true)
      expect((await ask(client, '1')).cacheStatus.hit).toBe(false)
    })

    it('is no bound where each user has variants of their own', async () => {
      const client = await stage.page(({ fields }) => ({ body: String(fields.authorization) }), {
        ttl: 60,
        vary: ['authorization'],
      })
      for (let user = 0; user < 70; user++) await client.get('/page', { authorization: `Bearer ${user}` })
      const got = await client.get('/page', { authorization: 'Bearer 69' })
      expect([got.text, got.cacheStatus.hit]).toEqual(['Bearer 69', true])
    })
  })
}
