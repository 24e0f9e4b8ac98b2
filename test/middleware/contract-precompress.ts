import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { chunked, useStage } from './contract-stage.js'
import type { Ask, Got } from './hosts/client.js'
import type { Answer, CacheFace, CommonOptions, Host } from './hosts/host.js'

const TEXT = Array.from({ length: 200 }, (_, line) => `Line ${line} of a page that compresses well.\n`).join('')
const SMALL = TEXT.slice(0, 1023)
const LONG_ENOUGH = TEXT.slice(0, 1024)

const BROWSER = { 'accept-encoding': 'gzip, deflate, br' }
const GZIP = { 'accept-encoding': 'gzip' }

function decoded(got: Got): string {
  const coding = got.field('content-encoding')
  if (coding === 'br') return brotliDecompressSync(got.body).toString()
  return coding === 'gzip' ? gunzipSync(got.body).toString() : got.text
}

function text(fields: Answer['fields'] = {}, body: Answer['body'] = TEXT): Answer {
  return { fields: { 'content-type': 'text/plain; charset=utf-8', ...fields }, body }
}

/** The `precompress` option: what is stored is encoded once, and hits are negotiated. */
export function precompressContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  /** A site with one page, asked for once, whose encoded forms have been made. */
  async function encodedPage(answer: (run: number) => Answer, options: CommonOptions = {}) {
    const cached = stage.cached({ ttl: 60, precompress: ['br', 'gzip'], ...options })
    const seen: string[] = []
    const client = await stage.serve({
      use: [cached],
      outer: ({ setField }) => setField('vary', 'Origin'),
      routes: [
        {
          path: '/page',
          answer: ({ run, fields }) => {
            seen.push(String(fields['if-none-match']))
            return answer(run)
          },
        },
      ],
    })
    const first = await client.get('/page')
    await areMade(cached, 2)
    return { cached, first, seen, get: (fields?: Ask['fields']) => client.get('/page', fields), client }
  }

  function areMade(cached: M, count: number): Promise<boolean> {
    return until(`${count} forms are made`, () => cached.stats().counters.precompressed >= count)
  }

  describe('precompress', () => {
    it('sends a hit in the coding that the client likes, and as it is to others', async () => {
      const { first, get, cached } = await encodedPage(() => text())
      expect([first.field('content-encoding'), first.text]).toEqual([undefined, TEXT])
      for (const [fields, coding] of [
        [BROWSER, 'br'],
        [GZIP, 'gzip'],
        [{ 'accept-encoding': 'br;q=0.5, gzip' }, 'gzip'],
        [{ 'accept-encoding': 'br;q=0, *' }, 'gzip'],
        [{ 'accept-encoding': 'identity, *;q=0' }, undefined],
        [{ 'accept-encoding': 'zstd' }, undefined],
        [{ 'accept-encoding': '' }, undefined],
        [{}, undefined],
      ] as const) {
        const got = await get(fields)
        expect([fields, got.field('content-encoding')]).toEqual([fields, coding])
        expect(got.cacheStatus.hit).toBe(true)
        expect(decoded(got)).toBe(TEXT)
        expect(got.field('content-length')).toBe(String(got.body.length))
        expect(got.field('content-type')).toBe('text/plain; charset=utf-8')
      }
      const { counters, memoryBytes } = cached.stats()
      expect(counters).toMatchObject({ precompressed: 2, precompressedHits: 4, stores: 1, memoryHits: 8 })
      expect(counters.precompressedBytes).toBeGreaterThan(0)
      expect(memoryBytes).toBeGreaterThan(TEXT.length + counters.precompressedBytes)
    })

    it('prefers the order of the option among codings that the client likes equally', async () => {
      const { get } = await encodedPage(() => text(), { precompress: ['gzip', 'br'] })
      expect((await get(BROWSER)).field('content-encoding')).toBe('gzip')
    })

    it('names Accept-Encoding in Vary from the first answer on, beside what others name', async () => {
      const { first, get, client } = await encodedPage(() => text({ vary: 'Accept-Language', etag: '"a"' }))
      const answers = [
        first,
        await get(BROWSER),
        await get(),
        await get({ ...BROWSER, 'if-none-match': '*' }),
        await get({ range: 'bytes=0-9' }),
        await client.ask('/page', { method: 'HEAD', fields: BROWSER }),
      ]
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 304, 206, 200])
      for (const got of answers) {
        const names = got.field('vary')?.split(/, */)
        expect(names).toEqual(expect.arrayContaining(['Accept-Encoding', 'Accept-Language']))
        // Of the first answer, the handler itself has taken it away.
        if (got !== first) expect(names).toContain('Origin')
      }
    })

    it('names it in a 304 that the handler knows nothing of', async () => {
      const cached = stage.cached({ ttl: 60, precompress: ['br'] })
      const routes = [{ path: '/page', answer: () => text({ etag: '"a"' }) }]
      const client = await stage.serve({ use: [cached], routes })
      const got = await client.get('/page', { 'if-none-match': '"a"' })
      expect([got.status, got.field('vary')]).toEqual([304, 'Accept-Encoding'])
    })

    it('gives each coding a strong entity tag of its own, by which it is validated (RFC 9110, section 8.8.3.3)', async () => {
      const { get, client } = await encodedPage(() => text({ etag: '"a"' }))
      const etags = new Map<string, string>()
      for (const [coding, fields] of [
        ['br', BROWSER],
        ['gzip', GZIP],
        ['identity', {}],
      ] as const) {
        const got = await get(fields)
        const etag = got.field('etag') ?? ''
        etags.set(coding, etag)
        const again = await get({ ...fields, 'if-none-match': etag })
        expect([coding, again.status, again.field('etag')]).toEqual([coding, 304, etag])
        expect(again.field('content-encoding')).toBeUndefined()
        const head = await client.ask('/page', { method: 'HEAD', fields: { ...fields, 'if-none-match': etag } })
        expect([head.status, head.field('etag')]).toEqual([304, etag])
      }
      expect(etags.get('identity')).toBe('"a"')
      expect(etags.get('br')).toMatch(/^"a-br-[\w-]{8}"$/)
      expect(new Set(etags.values()).size).toBe(3)
      expect((await get({ ...BROWSER, 'if-none-match': etags.get('gzip') ?? '' })).status).toBe(200)
      expect((await get({ 'if-none-match': etags.get('br') ?? '' })).status).toBe(200)
    })

    it('leaves a weak entity tag as it is: all forms mean the same (RFC 9110, section 8.8.1)', async () => {
      const { first, get } = await encodedPage(() => text())
      const etag = first.field('etag')
      expect(etag).toMatch(/^W\//)
      for (const fields of [BROWSER, GZIP, {}]) {
        expect((await get(fields)).field('etag')).toBe(etag)
        expect((await get({ ...fields, 'if-none-match': String(etag) })).status).toBe(304)
      }
    })

    it('answers HEAD with the fields of GET', async () => {
      const { get, client } = await encodedPage(() => text({ etag: '"a"', 'x-made': 'once' }))
      for (const fields of [BROWSER, GZIP, {}]) {
        const got = await get(fields)
        const head = await client.ask('/page', { method: 'HEAD', fields })
        expect(head.names).toEqual(got.names)
        for (const name of ['content-length', 'content-encoding', 'etag', 'vary', 'content-type', 'x-made'])
          expect([name, head.field(name)]).toEqual([name, got.field(name)])
        expect(head.body).toHaveLength(0)
      }
    })

    it('takes digests away from encoded forms only (RFC 9530, section 3)', async () => {
      const digests = {
        'content-digest': 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:',
        'repr-digest': 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:',
        digest: 'sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=',
        'content-md5': 'Q2hlY2sgSW50ZWdyaXR5IQ==',
      }
      const { get } = await encodedPage(() => text(digests))
      const [identity, br] = [await get(), await get(BROWSER)]
      for (const [name, value] of Object.entries(digests)) {
        expect([identity.field(name), br.field(name)]).toEqual([value, undefined])
      }
    })

    it('encodes a body that came as a stream', async () => {
      const { get } = await encodedPage(() => text({}, chunked(TEXT.slice(0, 5000), TEXT.slice(5000))))
      const got = await get(BROWSER)
      expect([got.field('content-encoding'), decoded(got)]).toEqual(['br', TEXT])
    })

    it('has made nothing of what it sends to a client that refuses everything', async () => {
      const { get } = await encodedPage(() => text())
      const got = await get({ 'accept-encoding': '*;q=0' })
      expect([got.status, got.field('content-encoding'), got.text]).toEqual([200, undefined, TEXT])
    })
  })

  describe('precompress and ranges', () => {
    const modified = 'Wed, 01 Jan 2020 00:00:00 GMT'
    const page = () => encodedPage(() => text({ etag: '"a"', 'last-modified': modified, 'accept-ranges': 'bytes' }))

    it('gives a part of the bytes without a coding, also if the client accepts others', async () => {
      const { get } = await page()
      const got = await get({ ...BROWSER, range: 'bytes=10-19' })
      expect([got.status, got.text, got.field('etag')]).toEqual([206, TEXT.slice(10, 20), '"a"'])
      expect(got.field('content-encoding')).toBeUndefined()
      expect(got.field('content-range')).toBe(`bytes 10-19/${TEXT.length}`)
    })

    it('goes on with the encoded form that If-Range names', async () => {
      const { get } = await page()
      const whole = await get(BROWSER)
      const fields = { ...BROWSER, range: 'bytes=20-', 'if-range': whole.field('etag') ?? '' }
      const rest = await get(fields)
      expect([rest.status, rest.field('content-encoding'), rest.field('etag')]).toEqual([206, 'br', fields['if-range']])
      expect(rest.field('content-range')).toBe(`bytes 20-${whole.body.length - 1}/${whole.body.length}`)
      expect(brotliDecompressSync(Buffer.concat([whole.body.subarray(0, 20), rest.body])).toString()).toBe(TEXT)
    })

    it('goes on without a coding when If-Range names that', async () => {
      const { get } = await page()
      const rest = await get({ ...BROWSER, range: 'bytes=20-', 'if-range': '"a"' })
      expect([rest.status, rest.field('content-encoding'), rest.text]).toEqual([206, undefined, TEXT.slice(20)])
    })

    it('sends the whole when If-Range names another form, or a date that all forms share', async () => {
      const { get } = await page()
      const gzip = (await get(GZIP)).field('etag') ?? ''
      for (const ifRange of [gzip, '"b"', modified]) {
        const got = await get({ ...BROWSER, range: 'bytes=20-', 'if-range': ifRange })
        expect([ifRange, got.status, got.field('content-encoding'), decoded(got)]).toEqual([ifRange, 200, 'br', TEXT])
        const plain = await get({ range: 'bytes=20-', 'if-range': ifRange })
        expect([plain.status, plain.text]).toEqual([200, TEXT])
      }
    })

    it('gives a part of the encoded form to a client that takes no other', async () => {
      const { get } = await page()
      const whole = await get(GZIP)
      const got = await get({ 'accept-encoding': 'gzip, identity;q=0', range: 'bytes=0-9' })
      expect([got.status, got.field('content-encoding'), got.field('etag')]).toEqual([206, 'gzip', whole.field('etag')])
      expect(got.body.equals(whole.body.subarray(0, 10))).toBe(true)
    })

    it('ignores a range that is none', async () => {
      const { get } = await page()
      const got = await get({ ...BROWSER, range: 'lines=1-2' })
      expect([got.status, got.field('content-encoding')]).toEqual([200, 'br'])
    })
  })

  describe('precompress leaves alone', () => {
    const cases: readonly (readonly [string, Answer])[] = [
      ['a small body', text({}, SMALL)],
      ['a type that is compressed already', text({ 'content-type': 'image/png' })],
      ['a body of an unknown type', text({ 'content-type': 'application/octet-stream' })],
      ['what must not be transformed', text({ 'cache-control': 'max-age=60, no-transform' })],
      ['what has a coding of its own', text({ 'content-encoding': 'identity' })],
      ['what is signed', text({ signature: 'sig=:YQ==:', 'signature-input': 'sig=("content-digest")' })],
      ['another part of a resource', { ...text({ 'content-range': `bytes 0-9/20` }), status: 206 }],
    ]
    for (const [what, answer] of cases) {
      it(what, async () => {
        const cached = stage.cached({ ttl: 60, precompress: ['br', 'gzip'] })
        const client = await stage.serve({
          use: [cached],
          routes: [
            { path: '/page', answer: () => answer },
            { path: '/other', answer: () => text({}, LONG_ENOUGH) },
          ],
        })
        await client.get('/page', BROWSER)
        await client.get('/other', BROWSER)
        await areMade(cached, 2)
        const got = await client.get('/page', BROWSER)
        expect(got.field('content-encoding') ?? 'identity').toBe('identity')
        expect(got.field('vary') ?? '').not.toMatch(/accept-encoding/i)
        expect(got.body.toString()).toBe(answer.body)
        expect((await client.get('/other', BROWSER)).field('content-encoding')).toBe('br')
        expect(cached.stats().counters.precompressed).toBe(2)
      })
    }

    it('everything, when it is not asked for', async () => {
      const cached = stage.cached({ ttl: 60 })
      const client = await stage.serve({ use: [cached], routes: [{ path: '/page', answer: () => text() }] })
      const first = await client.get('/page', BROWSER)
      const hit = await client.get('/page', BROWSER)
      expect(hit.cacheStatus.hit).toBe(true)
      for (const got of [first, hit]) {
        expect([got.field('vary'), got.field('content-encoding'), got.text]).toEqual([undefined, undefined, TEXT])
      }
    })
  })

  describe('precompress over time', () => {
    it('takes encoded forms out of use with what they are made of', async () => {
      const { cached, get } = await encodedPage((run) => text({ 'cache-tag': 'page' }, `${run} ${TEXT}`))
      const ends = [() => cached.invalidate('/page'), () => cached.invalidateTags(['page']), () => cached.invalidate()]
      for (const [at, end] of ends.entries()) {
        await end()
        for (const fields of [BROWSER, GZIP, {}]) {
          const got = await get(fields)
          expect(decoded(got)).toBe(`${at + 2} ${TEXT}`)
        }
        await areMade(cached, 2 * (at + 2))
        expect(decoded(await get(BROWSER))).toBe(`${at + 2} ${TEXT}`)
      }
    })

    it('ends with the lifetime of what they are made of', async () => {
      const { get } = await encodedPage((run) => text({}, `${run} ${TEXT}`))
      stage.clock.advance(59_000)
      expect((await get(BROWSER)).cacheStatus).toMatchObject({ hit: true, ttl: 1 })
      stage.clock.advance(1_000)
      const got = await get(BROWSER)
      expect([got.cacheStatus.hit, decoded(got)]).toEqual([false, `2 ${TEXT}`])
    })

    it('keeps the encoded forms when the handler says that nothing is modified', async () => {
      const { cached, get, seen } = await encodedPage((run) => {
        const fields = { etag: '"a"', 'x-run': String(run) }
        return run === 1 ? text(fields) : { status: 304, fields }
      })
      const before = await get(BROWSER)
      stage.clock.advance(60_000)
      const validated = await get(BROWSER)
      expect(seen).toEqual(['undefined', '"a"'])
      const after = await get(BROWSER)
      expect(after.cacheStatus.hit).toBe(true)
      for (const got of [validated, after]) {
        expect([got.status, got.field('content-encoding'), got.field('x-run')]).toEqual([200, 'br', '2'])
        expect(got.field('etag')).toBe(before.field('etag'))
        expect(decoded(got)).toBe(TEXT)
      }
      expect(cached.stats().counters.precompressed).toBe(2)
    })

    it('drops them when a 304 forbids to transform', async () => {
      const { get } = await encodedPage((run) => {
        const fields = { etag: '"a"', 'cache-control': run === 1 ? 'max-age=60' : 'max-age=60, no-transform' }
        return run === 1 ? text(fields) : { status: 304, fields }
      })
      expect((await get(BROWSER)).field('content-encoding')).toBe('br')
      stage.clock.advance(60_000)
      await get(BROWSER)
      const got = await get(BROWSER)
      expect([got.cacheStatus.hit, got.field('content-encoding'), got.text]).toEqual([true, undefined, TEXT])
      expect(got.field('content-length')).toBe(String(TEXT.length))
    })

    it('never hands an entity tag of its own to the handler', async () => {
      const { get, seen } = await encodedPage((run) => text({ etag: `"${run}"` }))
      const etag = (await get(BROWSER)).field('etag') ?? ''
      stage.clock.advance(60_000)
      const got = await get({ ...BROWSER, 'if-none-match': etag })
      expect(seen).toEqual(['undefined', '"1"'])
      expect([got.status, got.text]).toEqual([200, TEXT])
    })

    it('sends stale encoded forms while the handler runs again, and those of the new body afterwards', async () => {
      const { cached, get } = await encodedPage((run) => text({ etag: `"${run}"` }, `${run} ${TEXT}`), {
        staleWhileRevalidate: 60,
      })
      stage.clock.advance(61_000)
      const stale = await get(BROWSER)
      expect([decoded(stale), stale.field('content-encoding')]).toEqual([`1 ${TEXT}`, 'br'])
      await areMade(cached, 4)
      const fresh = await get(BROWSER)
      expect([decoded(fresh), fresh.field('content-encoding')]).toEqual([`2 ${TEXT}`, 'br'])
    })

    it('sends an encoded form in place of an error', async () => {
      const { get } = await encodedPage((run) => (run === 1 ? text() : { status: 503, body: 'down' }), {
        staleIfError: 60,
      })
      stage.clock.advance(61_000)
      const got = await get(BROWSER)
      expect([got.status, got.field('content-encoding'), decoded(got)]).toEqual([200, 'br', TEXT])
      expect(got.field('vary')).toMatch(/Accept-Encoding/)
    })
  })
}
