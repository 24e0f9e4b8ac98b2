import { spawnSync } from 'node:child_process'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/index.js'
import { registerMetrics } from '../../src/observe/prometheus.js'
import { onPath } from '../support/on-path.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const promtool = onPath('promtool')
const title = promtool === undefined ? 'no promtool on PATH (Debian: apt-get install prometheus)' : 'promtool'

/** What promtool prints, or an error with it if it finds a fault. */
function run(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(promtool ?? '', args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`promtool ${args.join(' ')} ends with ${status}:\n${stdout}${stderr}`)
  return stdout + stderr
}

describe.skipIf(promtool === undefined && process.env.PROMETHEUS !== 'required')(title, () => {
  const closing: (() => unknown)[] = []
  let exposed = ''

  beforeAll(async () => {
    const server = await RedisServer.start()
    const cache = new FallbackCache({ redis: server.url, defaultTtl: 60, logger: { info: () => {}, warn: () => {} } })
    closing.push(
      () => server.stop(),
      () => cache.close(),
    )
    const registry = new Registry()
    registerMetrics(registry, cache)
    await until('connected', () => cache.stats().connected)
    await cache.getOrSet('a', () => 1)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await until('a refusal', async () => {
      await cache.set('b', Math.random())
      return cache.stats().counters.redisErrors.OOM !== undefined
    })
    exposed = await registry.metrics()
  })
  afterAll(async () => {
    for (const close of closing.reverse()) await close()
  })

  it('finds no fault in the metrics: check metrics', () => {
    expect(exposed).toContain('fallback_cache_redis_error_replies_total{cache="default",code="OOM"}')
    expect(run(['check', 'metrics'], exposed)).toBe('')
  })

  it('finds faults where there are some', () => {
    expect(() => run(['check', 'metrics'], exposed.replaceAll('_seconds', '_milliseconds'))).toThrow('base unit')
  })

  it('can read the alerts: check rules', () => {
    expect(run(['check', 'rules', 'examples/monitoring/alerts.yml'])).toContain('7 rules found')
  })

  it('finds each alert where it belongs, and no other: test rules', { timeout: 120_000 }, () => {
    expect(run(['test', 'rules', 'test/observe/alerts.yml'])).toContain('SUCCESS')
  })
})
