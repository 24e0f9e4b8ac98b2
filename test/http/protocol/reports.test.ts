import express from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../../src/middleware/express.js'
import { ask } from '../../middleware/hosts/client.js'
import { listen } from '../../middleware/hosts/listen.js'

const warnings: string[] = []
const keep = (warning: Error): void => void warnings.push(warning.message)
const open: { close(): Promise<unknown> }[] = []
beforeEach(() => void process.on('warning', keep))
afterEach(async () => {
  process.off('warning', keep)
  warnings.length = 0
  for (const one of open.splice(0).reverse()) await one.close()
})

/** Warnings of a kind, once those of this turn are told. */
async function told(part: string): Promise<readonly string[]> {
  await new Promise((resolve) => setImmediate(resolve))
  return warnings.filter((text) => text.includes(part))
}

describe('warnings', () => {
  it('come once for each cache and kind, for any number of names, routes and middlewares', async () => {
    for (let caches = 1; caches <= 2; caches++) {
      const cached = fallbackCache({ ttl: 60 })
      const app = express()
      app.use('/field/:name', cached.with({ ttl: 30 }), (req, res) => void res.send(req.get(req.params.name) ?? ''))
      app.use('/cookie/:name', cached.with({ ttl: 20 }), (req, res) => {
        res.send(/=/.test(String(req.headers.cookie)) ? 'known' : 'none')
      })
      app.use('/address/:name', cached, (req, res) => void res.send(String(req.ip)))
      app.use('/fault/:name', cached.with({ tags: (req) => Promise.reject(new Error(`no ${req.url}`)) }), (_, res) => {
        res.send('page')
      })
      const running = await listen(app)
      open.push(cached, running)
      for (let at = 0; at < 30; at++) {
        await ask(running.port, `/field/x-${at}`, { fields: { [`x-${at}`]: 'value' } })
        await ask(running.port, `/cookie/${at}`, { fields: { cookie: `c${at}=1` } })
        await ask(running.port, `/address/${at}`)
        await ask(running.port, `/fault/${at}?${at}`)
      }
      expect(await told('has read the request field x-0, which is not in Vary')).toHaveLength(caches)
      expect(await told('has read the request field')).toHaveLength(caches)
      expect(await told('has read the Cookie field')).toHaveLength(caches)
      expect(await told('the address or the certificate of the client was read')).toHaveLength(caches)
      expect((await told('because of an error')).length).toBeLessThanOrEqual(10 * caches)
      for (const text of await told('This warning is given once for each cache: see'))
        expect(text).toMatch(/inputs\.ignore|inputs: false/)
    }
  })
})
