import { gunzipSync } from 'node:zlib'
import express from 'express'
import { expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
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
