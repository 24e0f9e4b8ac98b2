import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { FallbackCache } from 'fallback-cache'
import { Atlas } from './atlas.js'
import { Demo } from './demo.js'
import { expressApp } from './express-app.js'
import { createFront } from './front.js'
import { KEYS_HELP, listenForKeys } from './keys.js'
import { koaApp } from './koa-app.js'
import { demoPages } from './pages.js'
import { findRedisServer, PrivateRedis } from './private-redis.js'

/*
 * An Express app and a Koa app over the same atlas and the same cache, behind one origin, with a redis-server of their own
 * that you may kill and freeze.
 *
 *   PORT              where to listen (3000, or any free port when that one is taken)
 *   HOST              on which address (127.0.0.1)
 *   REDIS_SERVER_BIN  the redis-server to start
 *   DEMO_REDIS_URL    a Redis that runs already, instead of one of our own; '' for none at all
 *   DEMO_LOAD         'off': no requests but yours
 *   DEMO_TIMEOUT      how long a command of Redis may take, in milliseconds (the default of the library)
 *   DEMO_PLACES       how many places the atlas has, if not all: the fewer, the less work is a page
 */

const DEFAULT_PORT = 3000

const externalRedis = process.env.DEMO_REDIS_URL
const binary = externalRedis === undefined ? findRedisServer() : undefined
const redis = binary === undefined ? undefined : await PrivateRedis.start(binary)
const redisUrl = externalRedis || redis?.url

const cache = new FallbackCache({
  ...(redisUrl === undefined ? {} : { redis: redisUrl }),
  keyPrefix: 'demo:',
  maxEntries: 5000,
  ...(process.env.DEMO_TIMEOUT && { redisTimeout: Number(process.env.DEMO_TIMEOUT) }),
  // One process is all there is, so no other process can invalidate while it is cut off.
  maxStaleWhileDisconnected: '1h',
})
const atlas = new Atlas(Number(process.env.DEMO_PLACES) || undefined)
const demo = new Demo(atlas, cache, externalRedis ? 'external' : redis)
const front = createFront(
  { express: expressApp(atlas, cache), koa: koaApp(atlas, cache).callback() },
  demoPages(demo),
  (request) => demo.saw(request),
)

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void stop())

const origin = await listen()
demo.open(origin)

console.log(`fallback-cache demo: Express and Koa over ${atlas.size.toLocaleString('en')} places, one cache\n`)
console.log(`  ${origin}            press "Kill Redis", and watch the answers go on`)
console.log(`  ${origin}/__cache/   the dashboard of the cache\n`)
console.log(`  ${redisNews()}`)
if (process.stdin.isTTY) console.log(`  ${KEYS_HELP}`)

listenForKeys(demo, () => void stop())
if (process.env.DEMO_LOAD !== 'off') await demo.do('load')

/** Prefers PORT; without it 3000, or a free port when that one is taken. */
async function listen(): Promise<string> {
  const host = process.env.HOST ?? '127.0.0.1'
  const wanted = process.env.PORT
  try {
    await listenOn(wanted === undefined ? DEFAULT_PORT : Number(wanted), host)
  } catch (error) {
    if (wanted !== undefined) {
      console.error(`cannot listen on port ${wanted}: ${error instanceof Error ? error.message : error}`)
      await redis?.stop()
      process.exit(1)
    }
    await listenOn(0, host)
  }
  const { port } = front.address() as AddressInfo
  return `http://${host === '0.0.0.0' || host === '127.0.0.1' ? 'localhost' : host}:${port}`
}

async function listenOn(port: number, host: string): Promise<void> {
  front.listen(port, host)
  await once(front, 'listening')
}

function redisNews(): string {
  if (externalRedis) return 'Redis: the one of DEMO_REDIS_URL'
  if (redis !== undefined) return `Redis: ${binary}, pid ${redis.pid}, ${redis.url}`
  return 'Redis: no redis-server found, so everything runs in memory. To see Redis killed: apt-get install redis-server, or brew install redis'
}

/** Ends everything that was started here. A second signal does not wait. */
async function stop(): Promise<void> {
  if (stopping) process.exit(1)
  stopping = true
  demo.close()
  front.close()
  front.closeAllConnections()
  await cache.close()
  await redis?.stop()
  process.exit(0)
}
