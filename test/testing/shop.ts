import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { type FallbackCacheMiddleware, fallbackCache } from '../../src/middleware/express.js'
import { until } from '../support/until.js'

/** Two Express servers over one database, each with a cache of its own. */
export class Shop {
  readonly urls: readonly string[]
  readonly #servers: readonly Server[]
  readonly #caches: readonly FallbackCacheMiddleware[]

  /**
   * With a long `redisTimeout`: on a busy machine a Redis that answers late would be an outage, in which a cache does
   * not learn what the other one invalidated.
   *
   * @param redis - what the caches share; without it they do not know of each other
   */
  static async open(redis: string | undefined): Promise<Shop> {
    const stock = { version: 0 }
    const caches = [1, 2].map(() => fallbackCache({ ttl: 60, redis, redisTimeout: 5_000 }))
    const servers = caches.map((cached) => createServer(appOver(stock, cached)))
    for (const server of servers) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    }
    const isReady = () => redis === undefined || caches.every((cached) => cached.stats().connected)
    await until('the caches are connected', isReady)
    return new Shop(servers, caches)
  }

  private constructor(servers: readonly Server[], caches: readonly FallbackCacheMiddleware[]) {
    this.#servers = servers
    this.#caches = caches
    this.urls = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections()
      server.close()
    }
    await Promise.all(this.#caches.map((cached) => cached.close()))
  }
}

function appOver(stock: { version: number }, cached: FallbackCacheMiddleware): express.Express {
  const app = express()
  app.use(cached)
  app.get('/stock', (_request, response) => void response.set('X-Version', `${stock.version}`).json({ stock }))
  app.put('/stock', (_request, response) => {
    stock.version++
    response.json({ stock })
  })
  app.put('/stock/:version', async (request, response) => {
    stock.version = Number(request.params.version)
    await cached.invalidate('/stock')
    response.sendStatus(204)
  })
  return app
}
