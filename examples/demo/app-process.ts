import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FallbackCache } from 'fallback-cache'
import { Atlas } from './atlas.js'
import { Database } from './database.js'
import { expressApp } from './express-app.js'
import { koaApp } from './koa-app.js'

/** What a process of the fleet tells its parent. */
export type Told =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'report'; readonly report: AppReport }
  | { readonly kind: 'recovered'; readonly replayed: number }
  | { readonly kind: 'cleared'; readonly durable: boolean }

/** How a process is. */
export interface AppReport {
  /** How often a handler has computed something. */
  readonly runs: number
  readonly breaker: 'closed' | 'open' | 'half_open'
  /** False while its cache answers without Redis. */
  readonly connected: boolean
}

const REPORT_INTERVAL_MS = 250

const [name = '', folder = '', redisUrl = ''] = process.argv.slice(3)
const cache = new FallbackCache({
  ...(redisUrl !== '' && { redis: redisUrl }),
  // Longer than by default: six programs share a machine here, and this is not about how fast it is.
  redisTimeout: Number(process.env.DEMO_TIMEOUT) || 200,
  keyPrefix: 'demo:',
  maxEntries: 5000,
  // Longer than by default, so that there is time to look around in an outage.
  maxStaleWhileDisconnected: '5m',
  // The parent says in one line what happens in all processes.
  logger: { info() {}, warn() {} },
})
const atlas = new Atlas(Database.open(folder))
const app: RequestListener = name.startsWith('koa')
  ? koaApp(atlas, cache, name).callback()
  : expressApp(atlas, cache, name)
const server = createServer(app)
// The parent keeps its connections; one that is closed at the moment of the next request would look like a failure.
server.keepAliveTimeout = 60_000

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
process.once('disconnect', () => void stop())
process.on('message', (message) => {
  if (message === 'clear') cache.clear().then(({ durable }) => tell({ kind: 'cleared', durable }), console.error)
})
cache.on('circuit', report)
cache.on('outage', report)
cache.on('recovery', ({ replayed }) => {
  tell({ kind: 'recovered', replayed })
  report()
})
setInterval(report, REPORT_INTERVAL_MS)
server.listen(0, '127.0.0.1', () => tell({ kind: 'ready', port: (server.address() as AddressInfo).port }))

function report(): void {
  const { circuitBreakerState, connected } = cache.stats()
  tell({ kind: 'report', report: { runs: atlas.runs, breaker: circuitBreakerState ?? 'closed', connected } })
}

function tell(told: Told): void {
  if (process.connected) process.send?.(told)
}

/** The parent has ended, or wants this process to end. */
async function stop(): Promise<void> {
  server.close()
  server.closeAllConnections()
  await cache.close()
  process.exit(0)
}
