import { fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundled } from '../../scripts/bundled.mjs'
import { ask } from '../middleware/hosts/client.js'
import { guardProcess } from '../support/guard.js'
import { onPath } from '../support/on-path.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { board, boardQueries, listedBy } from './board.js'
import { PrometheusServer } from './prometheus-server.js'

const binary = onPath('prometheus')
const title = binary === undefined ? 'no prometheus on PATH (Debian: apt-get install prometheus)' : 'a real Prometheus'

/** Starts an application, and gives its port. */
async function scraped(redis: string, format: string): Promise<{ readonly port: number; stop(): void }> {
  const child = fork(bundled('test/observe/programs/scraped.ts'), [redis, format], { stdio: 'ignore' })
  guardProcess(child)
  const [port] = (await once(child, 'message')) as [number]
  return { port, stop: () => child.kill('SIGKILL') }
}

/** The query as Grafana sends it, for all caches and instances. */
function sent(query: string): string {
  return query.replaceAll('$__rate_interval', '1m').replaceAll(/\$(?:cache|instance)\b/g, '.*')
}

describe.skipIf(binary === undefined && process.env.PROMETHEUS !== 'required')(title, () => {
  const closing: (() => unknown)[] = []
  let prometheus: PrometheusServer
  let ports: readonly number[] = []

  /** The single value of a query. */
  const numberOf = async (query: string): Promise<number> => Number((await prometheus.query(query))[0]?.value[1])

  beforeAll(async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const shops = [await scraped(server.url, 'text'), await scraped(server.url, 'openmetrics')]
    closing.push(() => shops.forEach((shop) => void shop.stop()))
    ports = shops.map(({ port }) => port)
    prometheus = await PrometheusServer.start(binary ?? '', ports, resolve('examples/monitoring/alerts.yml'))
    closing.push(() => prometheus.stop())
    await until('both processes use Redis', async () => (await numberOf('sum(fallback_cache_redis_connected)')) === 2)
    await traffic(ports)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await until('a refusal of Redis in the metrics', async () => {
      await traffic(ports)
      return (await prometheus.query('increase(fallback_cache_redis_error_replies_total[1m]) > 0')).length === 2
    })
    await server.kill()
    await until('an outage in the metrics', async () => {
      await traffic(ports)
      const seconds = await prometheus.query('increase(fallback_cache_outage_seconds_total[1m]) > 0')
      return seconds.length === 2 && (await numberOf('sum(fallback_cache_redis_connected)')) === 0
    })
  }, 60_000)
  afterAll(async () => {
    for (const close of closing.reverse()) await close()
  })

  it('reads the metrics of every process, in both formats', async () => {
    const up = await prometheus.query('up')
    expect(up.map(({ metric, value }) => [metric.instance, value[1]]).sort()).toEqual(
      ports.map((port) => [`127.0.0.1:${port}`, '1']).sort(),
    )
  })

  it.each(boardQueries)('answers the board: %s: %s', async (_panel, query) => {
    const found = await prometheus.query(sent(query))
    expect(found).not.toEqual([])
    for (const { value } of found) expect(value[1]).toMatch(/^[\d.e+-]+$/)
  })

  it('shows what has happened', async () => {
    const first = async (panel: string) => numberOf(sent(boardQueries.find(([name]) => name === panel)?.[1] ?? ''))
    expect(await first('Hit ratio')).toBeGreaterThan(0.1)
    expect(await first('Hit ratio')).toBeLessThan(1)
    expect(await first('Redis')).toBe(0)
    expect(await first('Evictions')).toBeGreaterThan(0)
    expect(await first('Outages')).toBeGreaterThan(0)
  })

  it('lists caches and instances', async () => {
    const values = async (name: string) => {
      const { metric, label } = listedBy(board.templating.list.find((one) => one.name === name)?.definition ?? '')
      return prometheus.get<readonly string[]>(`label/${label}/values`, { 'match[]': metric })
    }
    expect(await values('cache')).toEqual(['default'])
    expect(await values('instance')).toEqual(ports.map((port) => `127.0.0.1:${port}`).sort())
  })

  it('evaluates every alert', async () => {
    interface Rules {
      readonly groups: readonly {
        readonly rules: readonly { readonly health: string; readonly lastError?: string }[]
      }[]
    }
    const rules = await until('all rules evaluated', async () => {
      const { groups } = await prometheus.get<Rules>('rules')
      const all = groups.flatMap((group) => group.rules)
      return all.every(({ health }) => health !== 'unknown') && all
    })
    expect(rules.map(({ health }) => health)).toEqual(Array(7).fill('ok'))
    await until('the outage and the refusals pending or firing', async () => {
      const alerts = await prometheus.query('ALERTS{alertname=~"FallbackCacheOutage|FallbackCacheRedisErrors"}')
      return new Set(alerts.map(({ metric }) => metric.alertname)).size === 2
    })
  })
})

/** Misses, hits, stale responses, refusals, invalidations and evictions. */
async function traffic(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    for (const path of ['/page/1', '/page/1', '/own', ...Array.from({ length: 6 }, (_, at) => `/page/${at}`)]) {
      await ask(port, path)
    }
    await ask(port, '/page/1', { method: 'POST' })
  }
}
