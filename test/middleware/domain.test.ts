import express from 'express'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from './hosts/client.js'
import { listen } from './hosts/listen.js'

// Loaded after the cache, as by a dependency of an application: from now on each emitter has a property `domain`, which emit() reads.
await import('node:domain')

describe('the module node:domain', () => {
  it.each(['Express', 'Koa'] as const)('is no input of a response of %s', async (framework) => {
    let runs = 0
    const cached = framework === 'Express' ? fallbackCache({ ttl: 60 }) : koaCache({ ttl: 60 })
    const app = express().use(cached as never)
    app.get('/page', (_req, res) => void res.send(`run ${++runs}`))
    const koa = new Koa().use(cached as never).use((ctx) => {
      ctx.body = `run ${++runs}`
    })
    const running = await listen(framework === 'Express' ? app : koa.callback())
    try {
      const [miss, hit] = [await ask(running.port, '/page'), await ask(running.port, '/page')]
      expect([miss.text, hit.text, hit.cacheStatus.hit]).toEqual(['run 1', 'run 1', true])
      // One entry: a response that varies would have two.
      expect(cached.stats().memoryEntries).toBe(1)
    } finally {
      await running.close()
      await cached.close()
    }
  })
})
