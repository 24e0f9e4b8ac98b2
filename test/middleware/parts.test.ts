import { gunzipSync } from 'node:zlib'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { ManualClock } from '../support/manual-clock.js'
import { ask } from './hosts/client.js'
import { listen } from './hosts/listen.js'

const film = Buffer.from(Array.from({ length: 2_000 }, (_, at) => at % 251))

it('puts the parts together that clients ask for of what is too large to be stored', async () => {
  const cached = fallbackCache({ preset: 'proxy', ttl: 60, maxBodySize: 1_000 })
  const asked: (string | undefined)[] = []
  const app = express()
  app.use(cached, (req, res) => {
    asked.push(req.headers.range)
    res.set({ ETag: '"film"', 'Cache-Control': 'max-age=60', 'Content-Type': 'video/mp4' })
    const [first = 0, last = film.length - 1] = (/bytes=(\d+)-(\d+)/.exec(req.headers.range ?? '')?.slice(1) ?? []).map(
      Number,
    )
    if (req.headers.range !== undefined) res.status(206).set('Content-Range', `bytes ${first}-${last}/${film.length}`)
    res.end(film.subarray(first, last + 1))
  })
  const running = await listen(app)
  const get = (span: string) => ask(running.port, '/film', { fields: { range: `bytes=${span}` } })
  try {
    await get('0-99')
    for (const [first, last] of [
      [0, 399],
      [400, 699],
      [600, 899],
    ] as const) {
      const got = await get(`${first}-${last}`)
      expect([got.status, got.body]).toEqual([206, Buffer.from(film.subarray(first, last + 1))])
    }
    const hit = await get('350-820')
    expect([hit.status, hit.body, hit.cacheStatus.hit]).toEqual([206, Buffer.from(film.subarray(350, 821)), true])
    expect(asked).toEqual(['bytes=0-99', 'bytes=0-399', 'bytes=400-699', 'bytes=600-899'])
    await get('800-1500')
    expect((await get('800-1500')).cacheStatus.hit).toBe(true)
    expect((await get('350-820')).cacheStatus.hit).toBe(false)
  } finally {
    await running.close()
    await cached.close()
  }
})

it('encodes what parts have become once it is whole', async () => {
  const text = Buffer.from('a text that comes in two parts. '.repeat(100))
  const parts = [
    [0, 1_999],
    [1_500, text.length - 1],
  ] as const
  const cached = fallbackCache({ preset: 'proxy', ttl: 60, precompress: ['gzip'] })
  const app = express()
  let runs = 0
  app.use(cached, (_req, res) => {
    const [first, last] = parts[runs++] ?? [0, 0]
    res.set({ ETag: '"text"', 'Cache-Control': 'max-age=60', 'Content-Type': 'text/plain' })
    res.status(206).set('Content-Range', `bytes ${first}-${last}/${text.length}`)
    res.end(text.subarray(first, last + 1))
  })
  const running = await listen(app)
  try {
    for (const [first, last] of parts) {
      await ask(running.port, '/text', { fields: { range: `bytes=${first}-${last}` } })
    }
    const get = () => ask(running.port, '/text', { fields: { 'accept-encoding': 'gzip' } })
    await expect.poll(async () => (await get()).field('content-encoding')).toBe('gzip')
    const got = await get()
    expect([got.status, gunzipSync(got.body), got.field('content-range')]).toEqual([200, text, undefined])
    expect((await ask(running.port, '/text')).body).toEqual(text)
    expect(runs).toBe(2)
  } finally {
    await running.close()
    await cached.close()
  }
})

describe('a part that arrives while a complete response is stored', () => {
  /** A site whose handler answers ranges, and the clock of its cache. */
  async function site(entityTag: () => string | undefined) {
    const clock = new ManualClock(Date.now())
    const cached = fallbackCache({ preset: 'proxy', clock })
    const app = express().set('etag', false)
    const state = { isDown: false, runs: 0 }
    app.use(cached, (req, res) => {
      state.runs += 1
      if (state.isDown) return void res.sendStatus(503)
      res.set({ 'Cache-Control': 'max-age=10, stale-if-error=600', 'Content-Type': 'text/plain' })
      const tag = entityTag()
      if (tag !== undefined) res.set('ETag', tag)
      if (req.headers.range === undefined) return void res.end('a page')
      res.status(206).set('Content-Range', 'bytes 2-5/6').end('page')
    })
    const running = await listen(app)
    const close = () => Promise.all([running.close(), cached.close()])
    return { clock, state, port: running.port, close }
  }

  it('freshens it, if both are of one representation', async () => {
    const { clock, state, port, close } = await site(() => '"v"')
    try {
      await ask(port, '/page')
      clock.advance(11_000)
      const part = await ask(port, '/page', { fields: { range: 'bytes=2-' } })
      expect([part.status, part.text]).toEqual([206, 'page'])
      const got = await ask(port, '/page')
      expect([got.status, got.text, got.cacheStatus.hit]).toEqual([200, 'a page', true])
      expect([got.field('content-length'), got.field('content-range')]).toEqual(['6', undefined])
      expect(state.runs).toBe(2)
    } finally {
      await close()
    }
  })

  it.each([
    ['no entity tag', () => undefined],
    ['another entity tag', () => `"${Math.random()}"`],
  ])('leaves it in place of errors, if there is %s', async (_, entityTag) => {
    const { clock, state, port, close } = await site(entityTag)
    try {
      await ask(port, '/page')
      clock.advance(11_000)
      expect((await ask(port, '/page', { fields: { range: 'bytes=2-' } })).status).toBe(206)
      state.isDown = true
      const got = await ask(port, '/page')
      expect([got.status, got.text]).toEqual([200, 'a page'])
    } finally {
      await close()
    }
  })
})
