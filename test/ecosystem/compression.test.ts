import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import compression from 'compression'
import compress from 'koa-compress'
import { describe, expect, it } from 'vitest'
import type { Got } from '../middleware/hosts/client.js'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()
const text = 'compressible '.repeat(400)
const codings = ['identity', 'gzip', 'br', 'gzip, br;q=0.1', undefined]

function decoded(got: Got): string {
  const coding = got.field('content-encoding')
  const bytes = coding === 'gzip' ? gunzipSync(got.body) : coding === 'br' ? brotliDecompressSync(got.body) : got.body
  return bytes.toString()
}

const accepting = (get: Client, coding: string | undefined, fields = {}) =>
  get('/', { fields: coding === undefined ? fields : { ...fields, 'accept-encoding': coding } })

/** In any order of requests: each client gets a coding that it accepts, and the same text. */
async function sendsWhatIsAccepted(get: Client, first: string | undefined): Promise<void> {
  await accepting(get, first)
  for (let round = 0; round < 2; round++) {
    for (const coding of codings) {
      const got = await accepting(get, coding)
      expect(decoded(got)).toBe(text)
      const expected = coding === 'identity' ? undefined : coding?.split(',')[0]
      expect([coding, got.field('content-encoding')]).toEqual([coding, expected])
      expect(got.field('vary')).toBe('Accept-Encoding')
      expect(got.cacheStatus.hit).toBe(round === 1 || got.cacheStatus.hit)
    }
  }
}

/** What is in no coding: parts, heads, and 304. */
async function leavesTheRestAlone(get: Client): Promise<void> {
  await accepting(get, 'gzip')
  await accepting(get, 'identity')
  const etag = (await accepting(get, 'gzip')).field('etag') ?? ''
  const known = await accepting(get, 'gzip', { 'if-none-match': etag })
  expect([known.status, known.text, known.field('content-encoding')]).toEqual([304, '', undefined])
  const head = await get('/', { method: 'HEAD', fields: { 'accept-encoding': 'identity' } })
  expect([head.status, head.field('content-length'), head.text]).toEqual([200, String(text.length), ''])
  const part = await accepting(get, 'identity', { range: 'bytes=13-2012' })
  expect([part.status, part.text]).toEqual([206, text.slice(13, 2013)])
}

describe.each(expresses)('compression in %s', (_, createApplication) => {
  const site = (place: string) => {
    const app = createApplication()
    const cached = stage.express()
    app.use(...(place === 'above' ? [cached, compression()] : [compression(), cached]))
    app.get('/', (_req, res) => void res.type('text').send(text))
    return stage.serve(app)
  }

  for (const place of ['above', 'below']) {
    it.each(codings)(`sends what is accepted with the cache ${place}, when %s has asked first`, async (first) => {
      await sendsWhatIsAccepted(await site(place), first)
    })

    it(`leaves heads, parts and 304 alone, with the cache ${place}`, async () => {
      await leavesTheRestAlone(await site(place))
    })
  }

  it('compresses what is stored once, in front of the cache', async () => {
    const get = await site('below')
    await accepting(get, 'br')
    for (const coding of codings) expect((await accepting(get, coding)).cacheStatus.hit).toBe(true)
  })

  it('compresses the whole that a handler answers to Range on a miss, as without a cache', async () => {
    const get = await site('below')
    const whole = await accepting(get, 'gzip', { range: 'bytes=13-2012' })
    expect([whole.status, whole.field('content-encoding'), decoded(whole)]).toEqual([200, 'gzip', text])
    expect(whole.field('cache-control')).toBeUndefined()
  })

  it('leaves a part of a hit uncompressed, in front of the cache', async () => {
    const get = await site('below')
    await accepting(get, 'gzip')
    const part = await accepting(get, 'gzip', { range: 'bytes=13-2012' })
    expect([part.status, part.field('content-encoding'), part.text]).toEqual([206, undefined, text.slice(13, 2013)])
    expect(part.field('cache-control')).toBe('no-transform')
    expect((await accepting(get, 'gzip')).field('cache-control')).toBeUndefined()
  })
})

describe.each(koas)('koa-compress in %s', (_, createApplication) => {
  const site = (place: string) => {
    const app = createApplication()
    if (place === 'above') app.use(stage.koa())
    app.use(compress({ zstd: false }))
    if (place === 'below') app.use(stage.koa())
    app.use((ctx) => {
      ctx.body = text
    })
    return stage.serve(app)
  }

  for (const place of ['above', 'below']) {
    it(`leaves heads, parts and 304 alone, with the cache ${place}`, async () => {
      await leavesTheRestAlone(await site(place))
    })

    it.each(codings)(`sends what is accepted with the cache ${place}, when %s has asked first`, async (first) => {
      const get = await site(place)
      await accepting(get, first)
      for (let round = 0; round < 2; round++) {
        for (const coding of codings) {
          const got = await accepting(get, coding)
          expect([decoded(got), got.field('vary')]).toEqual([text, 'Accept-Encoding'])
          if (coding === 'identity') expect(got.field('content-encoding')).toBeUndefined()
        }
      }
    })
  }

  it('compresses what is stored once, in front of the cache', async () => {
    const get = await site('below')
    await accepting(get, 'br')
    for (const coding of codings) expect((await accepting(get, coding)).cacheStatus.hit).toBe(true)
  })

  it.each([0, 1, 50])(
    'ends the response to a stream that fails after %s chunks, which is not stored',
    async (chunks) => {
      const app = createApplication()
      app.use(compress({ zstd: false }))
      app.use(stage.koa())
      app.use((ctx) => {
        let left = chunks
        ctx.type = 'text/plain'
        ctx.body = new Readable({
          read() {
            if (left-- > 0) this.push(randomBytes(20_000).toString('hex'))
            else setImmediate(() => this.destroy(new Error('broken')))
          },
        })
      })
      const get = await stage.serve(app)
      for (let round = 0; round < 2; round++) {
        const got = await accepting(get, 'gzip').catch(() => undefined)
        // A head that was sent before the failure is followed by no whole body.
        expect(got === undefined || got.broken || got.status === 500).toBe(true)
        expect(got?.cacheStatus.hit).not.toBe(true)
      }
    },
  )

  it('leaves a part of a hit uncompressed, in front of the cache', async () => {
    const get = await site('below')
    await accepting(get, 'gzip')
    const part = await accepting(get, 'gzip', { range: 'bytes=13-2012' })
    expect([part.status, part.field('content-encoding'), part.text]).toEqual([206, undefined, text.slice(13, 2013)])
  })
})
