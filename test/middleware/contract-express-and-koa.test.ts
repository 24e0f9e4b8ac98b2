import { describe, expect, it } from 'vitest'
import { redisContract } from './contract-redis.js'
import { useStage } from './contract-stage.js'
import { express } from './hosts/express.js'
import { koa } from './hosts/koa.js'

describe('fallbackCache in Express and in Koa', () => {
  redisContract(express, koa)

  describe('on one core', () => {
    const inExpress = useStage(express)
    const inKoa = useStage(koa)
    const host = { host: 'shop.example' }

    it('answers from one memory, and obeys both', async () => {
      const one = inExpress.cached({ ttl: 60, group: 'shop' })
      const other = inKoa.cached({ ttl: 60, group: 'shop', cache: one.cache })
      const fromExpress = await inExpress.serve({
        use: [one],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: { json: { from: 'Express', run } } }) }],
      })
      const fromKoa = await inKoa.serve({
        use: [other],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: { json: { from: 'Koa', run } } }) }],
      })
      await fromExpress.get('/page', host)
      const hit = await fromKoa.get('/page', host)
      expect(hit.text).toBe('{"from":"Express","run":1}')
      expect(hit.field('content-type')).toBe('application/json; charset=utf-8')
      await other.invalidate('/page')
      expect((await fromKoa.get('/page', host)).text).toBe('{"from":"Koa","run":1}')
      expect((await fromExpress.get('/page', host)).text).toBe('{"from":"Koa","run":1}')
      await one.invalidate()
      expect((await fromExpress.get('/page', host)).text).toBe('{"from":"Express","run":2}')
    })

    it('is closed by the middleware that made it, and by no other', async () => {
      const one = inExpress.cached({ ttl: 60 })
      const other = inKoa.cached({ ttl: 60, cache: one.cache })
      await other.close()
      const client = await inExpress.serve({
        use: [one],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: `run ${run}` }) }],
      })
      await client.get('/page')
      expect((await client.get('/page')).text).toBe('run 1')
    })
  })
})
