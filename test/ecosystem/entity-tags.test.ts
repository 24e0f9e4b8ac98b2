import { createReadStream } from 'node:fs'
import etag from '@koa/etag'
import conditional from 'koa-conditional-get'
import { describe, expect, it } from 'vitest'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()

/** A copy that is known costs a 304, on a miss and on a hit; another one the whole. */
async function answersWhatIsKnown(get: Client, whole: string): Promise<void> {
  const tag = (await get('/')).field('etag') ?? ''
  expect(tag).not.toBe('')
  for (const path of ['/', '/?new', '/?new']) {
    for (const known of [tag, `"other", ${tag}`, '*', tag.replace(/^W\//, '')]) {
      const got = await get(path, { fields: { 'if-none-match': known } })
      expect([known, got.status, got.text, got.field('content-length')]).toEqual([known, 304, '', undefined])
    }
    const got = await get(path, { fields: { 'if-none-match': '"other"' } })
    expect([got.status, got.text]).toEqual([200, whole])
  }
}

describe.each(expresses)('the entity tags of %s', (_, createApplication) => {
  for (const setting of ['weak', 'strong', false] as const) {
    it(`are answered right where they are ${setting || 'off'}`, async () => {
      let runs = 0
      const app = createApplication().set('etag', setting)
      app.use(stage.express())
      app.get('/', (_req, res) => {
        runs += 1
        res.json({ page: 1 })
      })
      const get = await stage.serve(app)
      await answersWhatIsKnown(get, '{"page":1}')
      expect(runs).toBe(2)
    })
  }
})

describe.each(koas)('@koa/etag and koa-conditional-get in %s', (_, createApplication) => {
  it.each(['above', 'below', 'between'])('answer what is known, with the cache %s them', async (place) => {
    let runs = 0
    const app = createApplication()
    if (place === 'above') app.use(stage.koa())
    app.use(conditional())
    if (place === 'between') app.use(stage.koa())
    app.use(etag())
    if (place === 'below') app.use(stage.koa())
    app.use((ctx) => {
      runs += 1
      ctx.body = { page: 1 }
    })
    await answersWhatIsKnown(await stage.serve(app), '{"page":1}')
    expect(runs).toBe(2)
  })

  it('find the file behind a stream, as without the cache', async () => {
    const answers = async (isCached: boolean) => {
      const app = createApplication()
      app.use(conditional())
      app.use(etag())
      if (isCached) app.use(stage.koa())
      app.use((ctx) => {
        ctx.type = 'json'
        ctx.body = createReadStream('package.json')
      })
      const got = await (await stage.serve(app))('/')
      return [got.status, got.field('etag'), got.text.length]
    }
    expect(await answers(true)).toEqual(await answers(false))
    expect((await answers(true))[1]).toMatch(/^W\//)
  })
})
