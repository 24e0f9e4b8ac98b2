import { describe, expect, it } from 'vitest'
import { chunked, useStage } from './contract-stage.js'
import type { CacheFace, Host } from './hosts/host.js'

/** HEAD, validators and ranges, asked of a hit and of an empty cache. */
export function conditionalContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('HEAD', () => {
    it('is answered from a stored GET, with its fields and without its body', async () => {
      const client = await stage.page(({ run }) => ({ fields: { 'x-run': `${run}` }, body: 'the page' }))
      const get = await client.get('/page')
      const head = await client.ask('/page', { method: 'HEAD' })
      expect(head.status).toBe(200)
      expect(head.cacheStatus.hit).toBe(true)
      expect(head.field('x-run')).toBe('1')
      expect(head.field('content-length')).toBe(get.field('content-length'))
      expect(head.body).toHaveLength(0)
    })

    it('that comes first never becomes the answer to a GET', async () => {
      const client = await stage.page(() => ({ body: 'the page' }))
      expect((await client.ask('/page', { method: 'HEAD' })).status).toBe(200)
      expect((await client.get('/page')).text).toBe('the page')
      expect((await client.get('/page')).text).toBe('the page')
    })
  })

  describe('If-None-Match and If-Modified-Since on a hit', () => {
    const modified = 'Wed, 01 Jan 2020 00:00:00 GMT'
    const cases: readonly (readonly [title: string, fields: Record<string, string>, status: number])[] = [
      ['the same entity tag', { 'if-none-match': '"one"' }, 304],
      ['its weak form', { 'if-none-match': 'W/"one"' }, 304],
      ['a list that has it', { 'if-none-match': '"zero", W/"one" , "two"' }, 304],
      ['an asterisk', { 'if-none-match': '*' }, 304],
      ['another entity tag', { 'if-none-match': '"two"' }, 200],
      ['a tag with a comma inside', { 'if-none-match': '"zero,one"' }, 200],
      ['the same date', { 'if-modified-since': modified }, 304],
      ['a later date', { 'if-modified-since': 'Thu, 02 Jan 2020 00:00:00 GMT' }, 304],
      ['an earlier date', { 'if-modified-since': 'Tue, 31 Dec 2019 00:00:00 GMT' }, 200],
      ['no date at all', { 'if-modified-since': 'yesterday' }, 200],
      ['another tag beside the same date', { 'if-none-match': '"two"', 'if-modified-since': modified }, 200],
    ]
    for (const [title, fields, status] of cases) {
      it(`answers ${status} to ${title}`, async () => {
        const client = await stage.page(({ run }) => ({
          fields: { etag: '"one"', 'last-modified': modified, 'content-type': 'text/plain' },
          body: `run ${run}`,
        }))
        await client.get('/page')
        const got = await client.get('/page', fields)
        expect(got.status).toBe(status)
        expect(got.text).toBe(status === 304 ? '' : 'run 1')
        expect(got.cacheStatus.hit).toBe(true)
      })
    }

    it('carries in a 304 what the 200 would carry (RFC 9110, section 15.4.5)', async () => {
      const kept = {
        etag: '"one"',
        'cache-control': 'max-age=60',
        'content-location': '/page.en',
        vary: 'Accept-Language',
        expires: 'Wed, 01 Jan 2070 00:00:00 GMT',
      }
      const client = await stage.page(() => ({ fields: { ...kept, 'content-type': 'text/plain' }, body: 'page' }))
      await client.get('/page')
      const got = await client.get('/page', { 'if-none-match': '"one"' })
      expect(got.status).toBe(304)
      expect(got.field('date')).toBeDefined()
      for (const [name, value] of Object.entries(kept)) expect(got.field(name)).toBe(value)
      expect(got.field('content-length') ?? '4').toBe('4')
    })

    it('answers 304 to the validator that the cache itself gave', async () => {
      const client = await stage.page(() => ({ fields: { 'content-type': 'text/plain' }, body: chunked('a', 'b') }))
      await client.get('/page')
      const etag = (await client.get('/page')).field('etag') ?? ''
      expect((await client.get('/page', { 'if-none-match': etag })).status).toBe(304)
    })

    it('answers HEAD with 304 too', async () => {
      const client = await stage.page(() => ({ fields: { etag: '"one"' }, body: 'page' }))
      await client.get('/page')
      const got = await client.ask('/page', { method: 'HEAD', fields: { 'if-none-match': '"one"' } })
      expect(got.status).toBe(304)
    })
  })

  describe('a conditional request to an empty cache', () => {
    it('fills it with the whole answer, also if the client already has it', async () => {
      const seen: unknown[] = []
      const client = await stage.page((call) => {
        seen.push(call.fields['if-none-match'], call.fields['if-modified-since'])
        return { fields: { etag: '"one"', 'content-type': 'text/plain' }, body: 'the page' }
      })
      const first = await client.get('/page', {
        'if-none-match': '"one"',
        'if-modified-since': 'Wed, 01 Jan 2020 00:00:00 GMT',
      })
      expect(seen).toEqual([undefined, undefined])
      expect([200, 304]).toContain(first.status)
      const second = await client.get('/page')
      expect(second.cacheStatus.hit).toBe(true)
      expect(second.text).toBe('the page')
    })
  })

  describe('Range', () => {
    const letters = 'abcdefghij'
    const page = () => stage.page(() => ({ fields: { etag: '"one"', 'content-type': 'text/plain' }, body: letters }))

    it('gets a part of a hit', async () => {
      const client = await page()
      await client.get('/page')
      const got = await client.get('/page', { range: 'bytes=2-4' })
      expect(got.status).toBe(206)
      expect(got.text).toBe('cde')
      expect(got.field('content-range')).toBe('bytes 2-4/10')
      expect(got.field('content-length')).toBe('3')
      expect(got.cacheStatus.hit).toBe(true)
    })

    it('gets with a part what middleware in front says in Vary', async () => {
      const client = await stage.serve({
        outer: ({ setField }) => setField('vary', 'Origin'),
        use: [stage.cached({ ttl: 60 })],
        routes: [
          {
            path: '/page',
            answer: () => ({ fields: { vary: 'Accept-Language', 'content-type': 'text/plain' }, body: letters }),
          },
        ],
      })
      await client.get('/page')
      for (const [range, status] of [
        ['bytes=2-4', 206],
        ['bytes=20-', 416],
      ] as const) {
        const got = await client.get('/page', { range })
        expect([got.status, got.field('vary')]).toEqual([status, 'Origin, Accept-Language'])
      }
    })

    it('gets the end of a hit', async () => {
      const client = await page()
      await client.get('/page')
      expect((await client.get('/page', { range: 'bytes=-3' })).text).toBe('hij')
      expect((await client.get('/page', { range: 'bytes=7-' })).text).toBe('hij')
    })

    it('gets 416 where a hit has no bytes', async () => {
      const client = await page()
      await client.get('/page')
      const got = await client.get('/page', { range: 'bytes=10-' })
      expect(got.status).toBe(416)
      expect(got.field('content-range')).toBe('bytes */10')
    })

    it('gets everything in an unknown unit, or when If-Range names another version', async () => {
      const client = await page()
      await client.get('/page')
      for (const fields of [{ range: 'lines=1-2' }, { range: 'bytes=0-1', 'if-range': '"two"' }]) {
        const got = await client.get('/page', fields)
        expect(got.status).toBe(200)
        expect(got.text).toBe(letters)
      }
      expect((await client.get('/page', { range: 'bytes=0-1', 'if-range': '"one"' })).text).toBe('ab')
    })

    it('leaves a whole answer, or none, in an empty cache', async () => {
      const client = await page()
      const first = await client.get('/page', { range: 'bytes=0-3' })
      expect([200, 206]).toContain(first.status)
      for (let i = 0; i < 2; i++) {
        const whole = await client.get('/page')
        expect(whole.status).toBe(200)
        expect(whole.text).toBe(letters)
      }
    })

    it('never stores the part that a handler itself chose to send', async () => {
      const client = await stage.page(({ run }) => ({
        status: 206,
        fields: { 'content-range': 'bytes 0-3/10', 'cache-control': 'max-age=60' },
        body: `run${run}`,
      }))
      expect((await client.get('/page')).text).toBe('run1')
      expect((await client.get('/page')).text).toBe('run2')
    })
  })
}
