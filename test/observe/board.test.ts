import { readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import express from 'express'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { registerMetrics } from '../../src/observe/prometheus.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { board, boardQueries, listedBy } from './board.js'

const alerts = readFileSync('examples/monitoring/alerts.yml', 'utf8')

const queries: readonly (readonly [where: string, query: string])[] = [
  ...boardQueries,
  ...Array.from(
    alerts.matchAll(/- alert: (\w+)\n +expr: (?:\|\n((?: {10}.*\n)+)|(.+)\n)/g),
    ([, name = '', block, line]) => [name, block ?? line ?? ''] as const,
  ),
]

/** The labels of each metric of a text of the Prometheus format, and those that Prometheus itself adds. */
function labelsIn(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>()
  for (const [, name = '', labels = ''] of text.matchAll(/^(fallback_cache_\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = found.get(name) ?? new Set(['job', 'instance'])
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label)
    found.set(name, known)
  }
  return found
}

/** What a query names: its metrics, and the labels that it selects or groups by. */
function named(query: string): { readonly metrics: string[]; readonly labels: string[]; readonly errors: number } {
  const text = query.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*')
  const result = { metrics: [] as string[], labels: [] as string[], errors: 0 }
  parser.parse(text).iterate({
    enter: ({ name, type, from, to }) => {
      if (type.isError) result.errors += 1
      if (name === 'Identifier') result.metrics.push(text.slice(from, to))
      if (name === 'LabelName') result.labels.push(text.slice(from, to))
    },
  })
  return result
}

describe('examples/monitoring', () => {
  const closing: (() => unknown)[] = []
  let exposed: ReadonlyMap<string, ReadonlySet<string>> = new Map()

  beforeAll(async () => {
    const server = await RedisServer.start()
    const logger = { info: () => {}, warn: () => {} }
    const cached = fallbackCache({ ttl: 60, redis: server.url, logger })
    const registry = new Registry()
    registerMetrics(registry, cached)
    const app = express().use(cached)
    app.get('/page/:id', (_req, res) => res.send('page'))
    app.get('/own', (_req, res) => res.set('Cache-Control', 'no-store').send('own'))
    const site = await listen(app as never)
    closing.push(
      () => server.stop(),
      () => cached.close(),
      () => site.close(),
    )
    await until('connected', () => cached.stats().connected || undefined)
    for (const path of ['/page/1', '/page/1', '/own']) await ask(site.port, path)
    // A refusal of Redis, which alone has a code.
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await until('a refusal', async () => {
      await ask(site.port, `/page/${Math.random()}`)
      return Object.keys(cached.stats().counters.redisErrors).length > 0 || undefined
    })
    exposed = labelsIn(await registry.metrics())
  })
  afterAll(async () => {
    for (const close of closing.reverse()) await close()
  })

  it('has a board and alerts', () => {
    expect(board.panels.length).toBeGreaterThan(15)
    expect(queries.length).toBeGreaterThan(40)
    expect(queries.filter(([where]) => where.startsWith('FallbackCache'))).toHaveLength(7)
  })

  it.each(queries)('asks for what exists: %s: %s', (_where, query) => {
    const { metrics, labels, errors } = named(query)
    expect(errors).toBe(0)
    expect(metrics.length).toBeGreaterThan(0)
    const known = new Set<string>()
    for (const metric of metrics) {
      expect([...exposed.keys()]).toContain(metric)
      for (const label of exposed.get(metric) ?? []) known.add(label)
    }
    for (const label of labels) expect([...known]).toContain(label)
  })

  it('finds queries that ask for what does not exist', () => {
    expect(named('sum(rate(fallback_cache_requests_total[5m]').errors).toBeGreaterThan(0)
    expect(named('sum by (path) (fallback_cache_gone{code="1"})')).toMatchObject({
      metrics: ['fallback_cache_gone'],
      labels: ['path', 'code'],
    })
  })

  it('shows no panel twice, none above another, and each with what it means', () => {
    const { panels } = board
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(panels.filter(({ description }) => description === '')).toEqual([])
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })

  it('asks for caches and instances by labels that exist', () => {
    const definitions = board.templating.list.flatMap(({ definition }) => definition ?? [])
    expect(definitions.length).toBe(2)
    for (const definition of definitions) {
      const { metric, label } = listedBy(definition)
      expect([...(exposed.get(metric) ?? [])]).toContain(label)
    }
  })

  it('has the alerts of docs/monitoring.md', () => {
    const names = Array.from(alerts.matchAll(/- alert: (\w+)/g), ([, name]) => name)
    const listed = readFileSync('docs/monitoring.md', 'utf8').matchAll(/^\| `(FallbackCache\w+)` \|/gm)
    expect(Array.from(listed, ([, name]) => name)).toEqual(names)
  })
})
