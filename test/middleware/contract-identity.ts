import { describe, expect, it } from 'vitest'
import { useStage } from './contract-stage.js'
import type { CacheFace, Host } from './hosts/host.js'

/** Which requests are for the same stored response, and which are not. */
export function identityContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('Vary', () => {
    const greeting = () =>
      stage.page(({ run, fields }) => ({
        fields: { vary: 'Accept-Language' },
        body: `${fields['accept-language'] ?? 'none'} ${run}`,
      }))

    it('keeps several variants side by side', async () => {
      const client = await greeting()
      expect((await client.get('/page', { 'accept-language': 'en' })).text).toBe('en 1')
      expect((await client.get('/page', { 'accept-language': 'fr' })).text).toBe('fr 2')
      expect((await client.get('/page')).text).toBe('none 3')
      for (const [language, text] of [
        ['en', 'en 1'],
        ['fr', 'fr 2'],
      ] as const) {
        const hit = await client.get('/page', { 'accept-language': language })
        expect(hit.text).toBe(text)
        expect(hit.cacheStatus.hit).toBe(true)
      }
      expect((await client.get('/page')).text).toBe('none 3')
    })

    it('tells a variant that is missing from a page that is missing', async () => {
      const client = await greeting()
      expect((await client.get('/page', { 'accept-language': 'en' })).cacheStatus.fwd).toBe('uri-miss')
      expect((await client.get('/page', { 'accept-language': 'fr' })).cacheStatus.fwd).toBe('vary-miss')
    })

    it('does not tell apart the spaces behind the commas of a negotiated field', async () => {
      const client = await greeting()
      await client.get('/page', { 'accept-language': 'en, fr;q=0.5' })
      expect((await client.get('/page', { 'accept-language': 'en,fr;q=0.5' })).text).toBe('en, fr;q=0.5 1')
    })

    it('tells apart the order of what is equally welcome, for a handler may take the first', async () => {
      const client = await greeting()
      await client.get('/page', { 'accept-language': 'en, fr' })
      expect((await client.get('/page', { 'accept-language': 'fr, en' })).text).toBe('fr, en 2')
      expect((await client.get('/page', { 'accept-language': 'EN,FR' })).text).toBe('EN,FR 3')
    })

    it.each([
      ['de,en;q=0.9', 'en; q=0.9,de'],
      ['de,en;q=0.9', 'de;q=0.1;q=1,en;q=0.9'],
      ['de,en;q=0.9', 'en;q=0.9,de'],
      ['de,en;q=0.9', 'de,en;q=.9'],
      ['de,en', 'de ,en'],
      ['de,en', 'de,\u00a0en'],
    ])('tells %j from %j, which a parser may read in another way', async (one, other) => {
      const client = await greeting()
      await client.get('/page', { 'accept-language': other })
      const ask = async () => (await client.get('/page', { 'accept-language': one })).text
      expect(await ask()).toBe(`${one} 2`)
      expect(await ask()).toBe(`${one} 2`)
    })

    it('may name several fields, and all of them count', async () => {
      const client = await stage.page(({ run }) => ({ fields: { vary: 'X-One, X-Two' }, body: `${run}` }))
      await client.get('/page', { 'x-one': 'a', 'x-two': 'b' })
      expect((await client.get('/page', { 'x-one': 'a', 'x-two': 'c' })).text).toBe('2')
      expect((await client.get('/page', { 'x-one': 'a', 'x-two': 'b' })).text).toBe('1')
    })

    it('can come from the vary option instead of the response', async () => {
      const client = await stage.page(({ fields }) => ({ body: String(fields['x-plan']) }), {
        ttl: 60,
        vary: ['X-Plan'],
      })
      expect((await client.get('/page', { 'x-plan': 'free' })).text).toBe('free')
      expect((await client.get('/page', { 'x-plan': 'gold' })).text).toBe('gold')
      expect((await client.get('/page', { 'x-plan': 'free' })).cacheStatus.hit).toBe(true)
    })
  })

  describe('host and protocol', () => {
    it('are part of the identity', async () => {
      const client = await stage.page(({ host: name }) => ({ body: name }))
      expect((await client.get('/page', { host: 'a.example' })).text).toBe('a.example')
      expect((await client.get('/page', { host: 'b.example' })).text).toBe('b.example')
      expect((await client.get('/page', { host: 'a.example' })).cacheStatus.hit).toBe(true)
    })

    it.skipIf(host.trustsProxies === false)('are what the framework says behind a trusted proxy', async () => {
      const client = await stage.serve({
        trustProxy: true,
        use: [stage.cached({ ttl: 60 })],
        routes: [{ path: '/page', answer: ({ run, host: name }) => ({ body: `${name} ${run}` }) }],
      })
      const ask = async (host_: string, proto: string) =>
        (await client.get('/page', { 'x-forwarded-host': host_, 'x-forwarded-proto': proto })).text
      expect(await ask('a.example', 'https')).toBe('a.example 1')
      expect(await ask('b.example', 'https')).toBe('b.example 2')
      expect(await ask('a.example', 'http')).toBe('a.example 3')
      expect(await ask('a.example', 'https')).toBe('a.example 1')
    })

    it('are not what an untrusted client forwards, which tells its own requests from all others', async () => {
      const client = await stage.page(({ run, host: name }) => ({ body: `${name} ${run}` }))
      const host = 'shop.example'
      const forged = { host, 'x-forwarded-host': 'a.example', 'x-forwarded-proto': 'https' }
      expect((await client.get('/page', forged)).text).toBe('shop.example 1')
      expect((await client.get('/page', { host })).text).toBe('shop.example 2')
      expect((await client.get('/page', { host, 'x-forwarded-host': host, 'x-forwarded-proto': 'http' })).text).toBe(
        'shop.example 2',
      )
      expect((await client.get('/page', forged)).text).toBe('shop.example 1')
    })
  })

  describe('the query', () => {
    const page = (query?: 'all' | 'sorted' | readonly string[]) =>
      stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, ...(query && { query }) })

    it('counts as it stands', async () => {
      const client = await page()
      expect((await client.get('/page?a=1&b=2')).text).toBe('run 1')
      expect((await client.get('/page?b=2&a=1')).text).toBe('run 2')
      expect((await client.get('/page')).text).toBe('run 3')
      expect((await client.get('/page?')).text).toBe('run 4')
      expect((await client.get('/page?a=1&b=2')).text).toBe('run 1')
    })

    it('may be sorted', async () => {
      const client = await page('sorted')
      expect((await client.get('/page?a=1&b=2')).text).toBe('run 1')
      expect((await client.get('/page?b=2&a=1')).text).toBe('run 1')
      expect((await client.get('/page?b=2&a=2')).text).toBe('run 2')
    })

    it('may be narrowed to the parameters that count', async () => {
      const client = await page(['id'])
      expect((await client.get('/page?id=1&utm_source=mail')).text).toBe('run 1')
      expect((await client.get('/page?utm_source=web&id=1')).text).toBe('run 1')
      expect((await client.get('/page?id=2')).text).toBe('run 2')
    })
  })

  describe('key and group', () => {
    it('takes what the key option says into the identity', async () => {
      let plan = 'free'
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, key: () => plan })
      await client.get('/page')
      plan = 'gold'
      expect((await client.get('/page')).text).toBe('run 2')
      plan = 'free'
      expect((await client.get('/page')).text).toBe('run 1')
    })

    it('keeps groups apart', async () => {
      const one = stage.cached({ ttl: 60, group: 'one' })
      const two = stage.cached({ ttl: 60, group: 'two', cache: one.cache })
      const client = await stage.serve({
        routes: [
          { path: '/one', use: [one], answer: ({ run }) => ({ body: `one ${run}` }) },
          { path: '/two', use: [two], answer: ({ run }) => ({ body: `two ${run}` }) },
        ],
      })
      await client.get('/one')
      await client.get('/two')
      await one.invalidate()
      expect((await client.get('/one')).text).toBe('one 2')
      expect((await client.get('/two')).text).toBe('two 1')
    })
  })
}
