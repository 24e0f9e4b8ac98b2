import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import express from 'express'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { bundled } from '../../scripts/bundled.mjs'
import { FallbackCache } from '../../src/index.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { INSTRUMENTS } from '../../src/observe/instruments.js'
import { instrument } from '../../src/observe/opentelemetry.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { until } from '../support/until.js'

/** What the program prints of one arrangement. */
interface Seen {
  readonly spans: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[]
  readonly routes: readonly { readonly route?: string; readonly count: number }[]
  readonly entered: number
  readonly metrics: readonly {
    readonly metric: string
    readonly unit: string
    readonly attributes: Readonly<Record<string, unknown>>
    readonly value: unknown
  }[]
}

const ARRANGEMENTS = ['express use', 'express serve', 'koa use', 'koa serve'] as const

async function seen(...args: readonly string[]): Promise<Readonly<Record<string, Seen>>> {
  const program = [bundled('test/observe/programs/traced.ts'), ...args]
  const { stdout } = await promisify(execFile)(process.execPath, program)
  return JSON.parse(stdout) as Readonly<Record<string, Seen>>
}

describe.each([
  ['the instrumentation of http alone', []],
  ['those of http, Express and Koa', ['frameworks']],
])('instrument(), with the SDK and %s', (_name, args) => {
  let all: Readonly<Record<string, Seen>> = {}
  beforeAll(async () => {
    all = await seen(...args)
  }, 120_000)

  it.each(ARRANGEMENTS)('gives every server span its route and what the cache did: %s', (name) => {
    const spans = all[name]?.spans ?? []
    expect(spans.map((span) => span.name)).toEqual(Array(4).fill('GET /products/:id'))
    expect(spans.map(({ attributes }) => attributes['http.route'])).toEqual(Array(4).fill('/products/:id'))
    expect(spans[0]?.attributes).toMatchObject({
      'cache.hit': false,
      'fallback_cache.result': 'miss',
      'fallback_cache.tier': 'origin',
      'fallback_cache.reason': 'uri-miss',
    })
    for (const { attributes } of spans.slice(1)) {
      expect(attributes).toMatchObject({
        ...{ 'cache.hit': true, 'cache.ttl': 60, 'cache.item_size': 7 },
        ...{ 'fallback_cache.result': 'hit', 'fallback_cache.tier': 'memory' },
      })
    }
  })

  it('does not split the metric of the HTTP instrumentation by whether the response was stored', () => {
    expect(all['koa serve']?.routes).toEqual([{ route: '/products/:id', count: 16 }])
  })

  it('leaves the front door on', () => {
    expect(ARRANGEMENTS.map((name) => all[name]?.entered)).toEqual([4, 1, 4, 1])
  })

  it('makes metrics', () => {
    const metrics = all['express serve']?.metrics ?? []
    const of = (metric: string) => metrics.filter((one) => one.metric === `fallback_cache.${metric}`)
    const cache = { 'cache.name': 'express serve' }
    const routed = { ...cache, 'http.route': '/products/:id' }
    expect(of('requests').map(({ attributes, value, unit }) => ({ attributes, value, unit }))).toEqual([
      { attributes: { ...routed, 'cache.result': 'hit', 'cache.tier': 'memory' }, value: 3, unit: '{request}' },
      { attributes: { ...routed, 'cache.result': 'miss', 'cache.tier': 'origin' }, value: 1, unit: '{request}' },
    ])
    expect(of('handler.duration')).toMatchObject([{ attributes: routed, unit: 's', value: { count: 1 } }])
    expect(of('served.io').find(({ attributes }) => 'http.route' in attributes)).toMatchObject({
      value: 21,
      unit: 'By',
    })
    expect(of('memory.entry.count')).toMatchObject([{ attributes: cache, value: 1 }])
    expect(of('redis.connected')).toEqual([])
  })
})

describe('without instrument()', () => {
  it('hits have no route, and the metric is split', async () => {
    const all = await seen('frameworks', 'unrepaired')
    expect(all['express use']?.spans.map(({ name }) => name)).toEqual(['GET /products/:id', 'GET', 'GET', 'GET'])
    expect(all['express use']?.routes).toEqual([{ route: '/products/:id', count: 1 }, { count: 3 }])
  }, 120_000)
})

describe('instrument()', () => {
  it('refuses what is no cache, and two of one name', () => {
    const cache = new FallbackCache()
    expect(() => instrument({} as FallbackCache)).toThrow('the cache as its first argument')
    expect(() => instrument(cache, { name: '' })).toThrow('the option name must be a non-empty string')
    expect(() => instrument(cache, { routes: 'all' as never })).toThrow('the option routes must be true or false')
    const instrumented = instrument(cache)
    expect(() => instrument(cache)).toThrow('give each one a name of its own')
    instrumented.disable()
    instrument(cache).disable()
  })
})

/** Reads metrics when it is asked to. */
class Reader extends MetricReader {
  protected override onForceFlush = () => Promise.resolve()
  protected override onShutdown = () => Promise.resolve()

  async handlerRuns(): Promise<readonly (readonly [unknown, number])[]> {
    const { resourceMetrics } = await this.collect()
    return resourceMetrics.scopeMetrics
      .flatMap(({ metrics }) => metrics)
      .filter(({ descriptor }) => descriptor.name === 'fallback_cache.handler.duration')
      .flatMap(({ dataPoints }) => dataPoints as DataPoint<Histogram>[])
      .map(({ attributes, value }) => [attributes['cache.name'], value.count])
  }
}

describe('handler runs', () => {
  it('are those of their cache, also if several have the same keyPrefix', async () => {
    const reader = new Reader()
    const meter = new MeterProvider({ readers: [reader] }).getMeter('test')
    const app = express()
    const instrumented = ['one', 'other'].map((name) => {
      const cached = fallbackCache({ ttl: 60 })
      closing.push(cached)
      app.get(`/${name}`, cached, (_req, res) => void res.send(name))
      return instrument(name === 'one' ? cached : cached.cache, { name, meter })
    })
    const site = await listen(app as never)
    closing.push(site)
    for (const path of ['/one', '/other', '/other?a=1', '/other?a=2']) await ask(site.port, path)
    await until('counted', async () => (await reader.handlerRuns()).length > 1)
    expect(await reader.handlerRuns()).toEqual([
      ['one', 1],
      ['other', 3],
    ])
    for (const one of instrumented) one.disable()
  })
})

const closing: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close()
})

describe('what runs around the front door', () => {
  it.each(['around cached.listener(app)', 'prepended to the server'])(
    'sees hits and leaves it on: %s',
    async (where) => {
      const cached = fallbackCache({ ttl: 60 })
      closing.push(cached)
      const app = express().use(cached)
      let runs = 0
      app.use((_req, _res, next) => {
        runs += 1
        next()
      })
      app.get('/page', (_req, res) => res.send('page'))
      const logged: (string | undefined)[] = []
      const log = (request: IncomingMessage) => logged.push(request.url)
      const listener = cached.listener(app)
      const server = where.startsWith('around')
        ? createServer((request, response) => {
            log(request)
            listener(request, response)
          })
        : cached.serve(app).prependListener('request', log)
      const site = await listen(server)
      closing.push(site)
      for (let at = 0; at < 3; at++) await ask(site.port, '/page')
      expect(logged).toEqual(['/page', '/page', '/page'])
      expect(cached.stats().traffic.requests.hit.memory).toBe(2)
      expect(runs).toBe(1)
    },
  )
})

describe('docs/tracing.md', () => {
  it('names every metric with its unit, and none that does not exist', () => {
    const rows = readFileSync('docs/tracing.md', 'utf8').matchAll(/^\| (`fallback_cache\.[^|]+) \| `([^|]+)` \|/gm)
    const named = Array.from(rows, ([, names = '', unit]) =>
      Array.from(names.matchAll(/`fallback_cache\.([\w.]+)`/g), ([, name]) => `${name} ${unit}`),
    ).flat()
    const existing = [...INSTRUMENTS.map(({ name, unit }) => `${name} ${unit}`), 'handler.duration s']
    expect(named.sort()).toEqual(existing.sort())
  })
})
