import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FallbackCache } from 'fallback-cache'
import { Atlas } from '../atlas.js'
import { Database } from '../database.js'
import { expressApp } from '../express-app.js'
import { createFront } from '../front.js'
import { koaApp } from '../koa-app.js'
import type { AppsState } from './apps-process.js'

/** An Express app and a Koa app over one cache in one process: a write through either is known to both, also without Redis. */

/** Few enough that one page being made does not keep all others waiting, which would say nothing of the cache. */
const PLACES = 15_000

const cache = new FallbackCache({
  redis: process.argv[3],
  keyPrefix: 'demo:',
  maxEntries: 5000,
  // No other process invalidates while this one is cut off.
  maxStaleWhileDisconnected: '1h',
})
const database = await Database.create(PLACES)
const atlas = new Atlas(database)
const apps = new Map<string, RequestListener>([
  ['express', expressApp(atlas, cache, 'express')],
  ['koa', koaApp(atlas, cache, 'koa').callback()],
])
const front = createFront(
  apps,
  (req, res) => {
    if (req.url !== '/demo/state') return false
    const state: AppsState = { handlerRuns: atlas.runs, redisHits: cache.stats().counters.redisHits }
    res.end(JSON.stringify(state))
    return true
  },
  () => {},
)

process.once('disconnect', () => void stop())
front.listen(0, '127.0.0.1', () => process.send?.(`http://localhost:${(front.address() as AddressInfo).port}`))

async function stop(): Promise<void> {
  front.close()
  front.closeAllConnections()
  await cache.close()
  process.exit(0)
}
