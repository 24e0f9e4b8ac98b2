import express from 'express'
import request from 'supertest'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { ManualClock } from '../support/manual-clock.js'
import { until } from '../support/until.js'

describe('earlyRefresh', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  const appOf = (earlyRefresh: number) => {
    const clock = new ManualClock()
    let runs = 0
    const app = express()
    app.use(fallbackCache({ ttl: 60, earlyRefresh, clock }))
    app.get('/page', (_req, res) => {
      // It takes two seconds to make, which count as its age.
      clock.advance(2_000)
      res.send(`run ${++runs}`)
    })
    const server = app.listen(0)
    return { clock, server, runs: () => runs, get: () => request(server).get('/page') }
  }

  it('makes a response again in the background before it is stale, and answers with the old one until then', async () => {
    // ln(1 - 0.99) = -4.6: nine seconds before the end is early enough.
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    const { clock, server, runs, get } = appOf(1)
    await get()
    clock.advance(45_000)
    expect((await get()).text).toBe('run 1')
    clock.advance(4_500)
    const early = await get()
    expect(early.text).toBe('run 1')
    expect(early.headers['cache-status']).toContain('hit')
    await until('a second run', () => runs() === 2 || undefined)
    expect((await get()).text).toBe('run 2')
    server.close()
  })

  it('never does so by default', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999_999)
    const { clock, server, runs, get } = appOf(0)
    await get()
    clock.advance(57_000)
    await get()
    expect(runs()).toBe(1)
    server.close()
  })
})
