import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express5, { type ErrorRequestHandler, type RequestHandler, type Response } from 'express'
import express4 from 'express4'
import Koa from 'koa'
import koa2 from 'koa2'
import { afterAll, describe, expect, it } from 'vitest'
import type { Client } from './stage.js'
import { expresses, useStage } from './stage.js'

const stage = useStage()
const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-files-'))
const small = 'The quick brown fox jumps over the lazy dog.\n'
const large = Buffer.alloc(3 * 2 ** 20, small)
writeFileSync(join(folder, 'small.txt'), small)
writeFileSync(join(folder, 'large.bin'), large)
writeFileSync(join(folder, 'index.html'), '<p>')
afterAll(() => rmSync(folder, { recursive: true }))

const statics = { 'Express 5': express5.static, 'Express 4': express4.static }
const modified = statSync(join(folder, 'small.txt')).mtime.toUTCString()

const ways: Readonly<Record<string, (serve: (root: string) => RequestHandler) => RequestHandler>> = {
  'express.static': (serve) => serve(folder),
  'res.sendFile': () => (req, res) => res.sendFile(req.path, { root: folder }),
  'res.download': () => (req, res: Response) => res.download(req.path.slice(1), 'a name.txt', { root: folder }),
}

describe.each(expresses)('files in %s', (version, createApplication) => {
  for (const [way, make] of Object.entries(ways)) {
    describe(`by ${way}`, () => {
      const site = (cached: boolean) => {
        const app = createApplication()
        if (cached) app.use(stage.express())
        return stage.serve(app.use(make(statics[version])))
      }

      /** Asks as a browser, a downloader and a cache do, with and without the cache: what comes is the same. */
      const firsts = {
        nothing: {},
        'a range': { range: 'bytes=4-8' },
        'the end': { range: 'bytes=-5' },
        'several ranges': { range: 'bytes=0-2,4-8' },
        'too much': { range: 'bytes=9999-' },
        'what is known': { 'if-modified-since': modified },
        'a range of a known version': { range: 'bytes=4-8', 'if-range': modified },
        'a range of another version': { range: 'bytes=4-8', 'if-range': '"other"' },
      }
      for (const [first, fields] of Object.entries(firsts)) {
        it(`come whole after a request for ${first}`, async () => {
          const get = await site(true)
          const got = await get('/small.txt', { fields })
          if (got.status === 200) expect(got.text).toBe(small)
          if (got.status === 206 && first !== 'several ranges') {
            expect(got.text).toBe(first === 'the end' ? small.slice(-5) : small.slice(4, 9))
          }
          for (let asked = 0; asked < 2; asked++) {
            const whole = await get('/small.txt')
            expect([whole.status, whole.text, whole.field('content-length')]).toEqual([
              200,
              small,
              String(small.length),
            ])
          }
        })
      }

      it('come as without a cache from the second request on, in parts and in whole', async () => {
        const [plain, get] = [await site(false), await site(true)]
        const etag = (await get('/small.txt')).field('etag') ?? ''
        for (const fields of [
          ...Object.values(firsts),
          { 'if-none-match': etag },
          { 'if-none-match': '*' },
          { range: 'bytes=4-8', 'if-range': etag },
          { range: 'lines=1-2' },
          { range: 'bytes=8-4' },
        ]) {
          const [without, got] = [await plain('/small.txt', { fields }), await get('/small.txt', { fields })]
          // Parts of weakly tagged files are sent by Express, and multipart never; both are the server's to choose.
          if ('if-range' in fields || (fields as { range?: string }).range === firsts['several ranges'].range) {
            if (got.status === 200) expect(got.text).toBe(small)
            continue
          }
          expect([fields, got.status, got.text]).toEqual([fields, without.status, without.text])
          for (const name of ['content-range', 'content-type', 'content-disposition', 'last-modified', 'etag']) {
            if (without.status === 416) continue
            expect([fields, name, got.field(name)]).toEqual([fields, name, without.field(name)])
          }
        }
      })

      it('that are too large to be stored come whole, and in parts', async () => {
        const get = await site(true)
        expect((await get('/large.bin')).body.equals(large)).toBe(true)
        const part = await get('/large.bin', { fields: { range: 'bytes=1000000-1000009' } })
        expect([part.status, part.body.equals(large.subarray(1_000_000, 1_000_010))]).toEqual([206, true])
        const whole = await get('/large.bin')
        expect([whole.status, whole.cacheStatus.hit, whole.body.equals(large)]).toEqual([200, false, true])
      })

      for (const [what, fields] of Object.entries({
        'a range beyond the end': { range: 'bytes=9999999-' },
        'another version': { 'if-match': '"other"' },
        'what has not changed since long ago': { 'if-unmodified-since': 'Fri, 01 Jan 2010 00:00:00 GMT' },
      })) {
        it(`come whole in the proxy preset after a request for ${what}`, async () => {
          const app = createApplication()
          app.use(stage.express({ preset: 'proxy', ttl: 60 }), (_req, res, next) => {
            res.set('Cache-Control', 'max-age=60')
            next()
          })
          app.use(make(statics[version]), ((error, _req, res, _next) => {
            // An error handler that leaves the fields which `send` has set.
            res.status(error.status).end()
          }) as ErrorRequestHandler)
          const get = await stage.serve(app)
          for (const path of ['/small.txt', '/large.bin']) {
            await get(path, { fields })
            await get(path, { fields })
            const whole = await get(path)
            expect([whole.status, whole.body.length]).toEqual([
              200,
              path === '/small.txt' ? small.length : large.length,
            ])
          }
        })
      }

      it('are changed on disk and, once invalidated, for everybody', async () => {
        const app = createApplication()
        const cached = stage.express()
        app.use(cached, make(statics[version]))
        const get = await stage.serve(app)
        writeFileSync(join(folder, 'changing.txt'), 'one')
        expect((await get('/changing.txt')).text).toBe('one')
        writeFileSync(join(folder, 'changing.txt'), 'three')
        await cached.invalidate('/changing.txt')
        expect((await get('/changing.txt')).text).toBe('three')
      })

      it('that are not there are a 404, which is not stored', async () => {
        const get = await site(true)
        for (let asked = 0; asked < 2; asked++) {
          const got = await get('/none.txt')
          expect([got.status, got.cacheStatus.hit]).toEqual([404, false])
        }
      })
    })
  }

  it('of a folder are redirected to and found, each by its own URL', async () => {
    const app = createApplication()
    app.use(stage.express())
    app.use('/docs', statics[version](folder))
    const get: Client = await stage.serve(app)
    for (let asked = 0; asked < 2; asked++) {
      const redirect = await get('/docs')
      expect([redirect.status, redirect.field('location')]).toEqual([301, '/docs/'])
      expect([(await get('/docs/')).text, (await get('/docs/index.html')).text]).toEqual(['<p>', '<p>'])
    }
  })
})

describe('a file with a name in latin1', () => {
  const name = 'attachment; filename="gr\u00f6\u00dfe.csv"'
  const path = '/small.txt'

  it.each([
    ['nothing', () => {}],
    ['a field', (res: Response) => void res.set('X-Front', '1')],
  ])('has that name in hits of Express, behind middleware that sets %s', async (_, front) => {
    for (const [, createApplication] of expresses) {
      const app = createApplication()
      app.use((_req, res, next) => {
        front(res)
        next()
      })
      app.use(stage.express(), (_req, res) =>
        res.set('Content-Disposition', name).sendFile(path, { root: folder, maxAge: 60_000 }),
      )
      await isNamed(await stage.serve(app))
    }
  })

  it.each([
    ['Koa 3', Koa],
    ['Koa 2', koa2 as unknown as typeof Koa],
  ])('has that name in hits of %s', async (_, make) => {
    for (const isFirst of [true, false]) {
      const app = new make()
      if (!isFirst) app.use((_ctx, next) => next())
      app.use(stage.koa()).use((ctx) => {
        ctx.set('Content-Disposition', name)
        ctx.body = createReadStream(join(folder, path))
      })
      await isNamed(await stage.serve(app))
    }
  })

  async function isNamed(get: Client): Promise<void> {
    const names = [await get(path), await get(path), await get(path, { method: 'HEAD' })]
    const part = await get(path, { fields: { range: 'bytes=0-3' } })
    expect([...names, part].map((got) => got.field('content-disposition'))).toEqual([name, name, name, name])
    expect([names[1]?.cacheStatus.hit, part.status]).toEqual([true, 206])
  }
})
