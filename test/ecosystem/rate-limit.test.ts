import { rateLimit } from 'express-rate-limit'
import { describe, expect, it } from 'vitest'
import { expresses, useStage } from './stage.js'

const stage = useStage()

const versions = [
  ['legacy', 'x-ratelimit-remaining', { legacyHeaders: true, standardHeaders: false }],
  ['draft 6', 'ratelimit-remaining', { legacyHeaders: false, standardHeaders: 'draft-6' }],
  ['draft 7', 'ratelimit', { legacyHeaders: false, standardHeaders: 'draft-7' }],
  ['draft 8', 'ratelimit', { legacyHeaders: false, standardHeaders: 'draft-8' }],
] as const

describe.each(expresses)('express-rate-limit in %s', (_, createApplication) => {
  const site = (place: string, fields: (typeof versions)[number][2], limit = 100) => {
    const app = createApplication()
    const cached = stage.express({ inputs: { ignore: ['ip'] } })
    const limiter = rateLimit({ windowMs: 60_000, limit, validate: false, ...fields })
    app.use(...(place === 'above' ? [cached, limiter] : [limiter, cached]))
    app.get('/', (_req, res) => void res.send('page'))
    return stage.serve(app)
  }
  const remaining = (text: string | undefined) => /(?:remaining=|r=|^)(\d+)/.exec(text ?? '')?.[1]

  for (const [title, name, fields] of versions) {
    it(`in front of the cache counts hits, and tells each client what remains (${title})`, async () => {
      const get = await site('below', fields)
      const counts = []
      for (let asked = 0; asked < 3; asked++) counts.push(remaining((await get('/')).field(name)))
      expect(counts).toEqual(['99', '98', '97'])
    })

    it(`behind the cache counts misses, and a hit does not tell what remained for another client (${title})`, async () => {
      const get = await site('above', fields)
      expect(remaining((await get('/')).field(name))).toBe('99')
      const hit = await get('/')
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.names.filter((one) => one.includes('ratelimit'))).toEqual([])
      expect(remaining((await get('/?other')).field(name))).toBe('98')
    })
  }

  it('in front of the cache refuses hits too, and its refusal is not stored', async () => {
    const get = await site('below', versions[3][2], 2)
    const statuses = []
    for (let asked = 0; asked < 3; asked++) statuses.push((await get('/')).status)
    expect(statuses).toEqual([200, 200, 429])
  })

  it('behind the cache refuses misses only, and its refusal is not stored', async () => {
    const get = await site('above', versions[3][2], 1)
    expect((await get('/')).status).toBe(200)
    const refused = await get('/other')
    expect([refused.status, refused.cacheStatus.stored]).toEqual([429, false])
    expect(refused.field('retry-after')).toMatch(/^\d+$/)
    expect((await get('/')).status).toBe(200)
  })
})
