import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Database } from './database.js'
import { Demo } from './demo.js'
import { Fleet } from './fleet.js'
import { createFront } from './front.js'
import { KEYS_HELP, listenForKeys } from './keys.js'
import { demoPages } from './pages.js'
import { findRedisServer, PrivateRedis } from './private-redis.js'

/** The origin: it starts the processes and their Redis, passes requests on to them in turn, and shows all that happens. */

const DEFAULT_PORT = 3000
/** Enough that a page is work, and few enough that four processes on a small machine do not wait for one another. */
const DEFAULT_PLACES = 25_000

const externalRedis = process.env.DEMO_REDIS_URL
const binary = externalRedis === undefined ? findRedisServer() : undefined
const fleet = new Fleet()
const demo = new Demo(fleet)
const front = createFront(fleet.apps, demoPages(demo), (request) => demo.saw(request))
let database: Database | undefined
let redis: PrivateRedis | undefined

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void stop())

const origin = await listen()
database = await Database.create(Number(process.env.DEMO_PLACES) || DEFAULT_PLACES)
redis = binary === undefined ? undefined : await PrivateRedis.start(binary)
await fleet.start(database, externalRedis || redis?.url)
await demo.open(origin, externalRedis ? 'external' : redis)

const hasRedis = Boolean(externalRedis) || redis !== undefined
const [memory, start] = hasRedis
  ? [
      'one cache',
      redis ? 'press "Kill Redis", and watch the answers go on' : 'write a record, and see all processes read it',
    ]
  : ['a cache in the memory of each', 'write a record, and see which processes read it']
console.log(`fallback-cache: ${fleet.names.length} processes with Express and Koa, ${memory}\n`)
console.log(`  ${origin}            the tour: ${start}`)
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
  const none = 'so each process caches in its own memory and does not learn of the writes of others.'
  if (externalRedis === '' || process.env.SKIP_REDIS === '1') return `Redis: none, as asked, ${none}`
  return `Redis: no redis-server found, ${none} To see Redis killed: apt-get install redis-server, or brew install redis`
}

/** Ends everything that was started here. A second signal does not wait. */
async function stop(): Promise<void> {
  if (stopping) process.exit(1)
  stopping = true
  demo.close()
  front.close()
  front.closeAllConnections()
  await fleet.stop()
  await redis?.stop()
  database?.remove()
  process.exit(0)
}
