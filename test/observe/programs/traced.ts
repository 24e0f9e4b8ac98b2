import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import Router from '@koa/router'
import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { registerInstrumentations } from '@opentelemetry/instrumentation'
import { ExpressInstrumentation } from '@opentelemetry/instrumentation-express'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

// Started by the test: prints what OpenTelemetry sees of one miss and three hits in each arrangement, as JSON.

const [withFrameworks, withRepair] = [process.argv.includes('frameworks'), !process.argv.includes('unrepaired')]
process.env.OTEL_SEMCONV_STABILITY_OPT_IN = 'http'

const spans = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const exported = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: exported, exportIntervalMillis: 2 ** 30 })
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
registerInstrumentations({
  instrumentations: [
    new HttpInstrumentation(),
    ...(withFrameworks
      ? [new ExpressInstrumentation(), new KoaInstrumentation({ ignoreLayersType: [KoaLayerType.MIDDLEWARE] })]
      : []),
  ],
})

// Instrumentation sees what is required, and only after it was registered.
const load = createRequire(import.meta.url)
load('http')
const { fallbackCache } = await import('../../../src/middleware/express.js')
const { fallbackCache: koaCache } = await import('../../../src/middleware/koa.js')
const { instrument } = await import('../../../src/observe/opentelemetry.js')
const express = load('express') as typeof import('express')
const Koa = load('koa') as typeof import('koa')

interface Arranged {
  readonly server: Server
  readonly stats: () => import('../../../src/index.js').CacheStats
  /** How many requests the framework has seen. */
  readonly entered: () => number
}

function arrangedExpress(isFront: boolean): Arranged {
  const cached = fallbackCache({ ttl: 60 })
  const app = express().use(cached)
  app.get('/products/:id', (_req, res) => res.send('product'))
  let entered = 0
  const { handle } = app as unknown as { handle: (...args: unknown[]) => unknown }
  Object.assign(app, {
    handle: (...args: unknown[]) => {
      entered += 1
      return handle.apply(app, args)
    },
  })
  const server = isFront ? cached.serve(app) : (load('http') as typeof import('http')).createServer(app)
  return { server, stats: cached.stats, entered: () => entered }
}

function arrangedKoa(isFront: boolean): Arranged {
  const cached = koaCache({ ttl: 60 })
  const app = new Koa()
  let entered = 0
  const { handleRequest } = app as unknown as { handleRequest: (...args: unknown[]) => unknown }
  Object.assign(app, {
    handleRequest: (...args: unknown[]) => {
      entered += 1
      return handleRequest.apply(app, args)
    },
  })
  app.use(cached)
  app.use(
    new Router()
      .get('/products/:id', (ctx) => {
        ctx.body = 'product'
      })
      .routes(),
  )
  const server = isFront ? cached.serve(app) : (load('http') as typeof import('http')).createServer(app.callback())
  return { server, stats: cached.stats, entered: () => entered }
}

async function measured({ server, stats, entered }: Arranged, name: string): Promise<object> {
  const instrumented = withRepair ? instrument({ stats }, { name }) : undefined
  spans.reset()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/products/1`
  for (let at = 0; at < 4; at++) await (await fetch(url)).text()
  await new Promise((resolve) => setTimeout(resolve, 50))
  await reader.forceFlush()
  const finished = spans.getFinishedSpans().filter(({ kind }) => kind === 1)
  const all =
    exported
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
  instrumented?.disable()
  server.close()
  const own = all
    .filter(({ descriptor }) => descriptor.name.startsWith('fallback_cache.'))
    .flatMap(({ descriptor, dataPoints }) =>
      dataPoints
        .filter(({ attributes }) => attributes['cache.name'] === name)
        .map(({ attributes, value }) => ({ metric: descriptor.name, unit: descriptor.unit, attributes, value })),
    )
  const served = all.find(({ descriptor }) => descriptor.name === 'http.server.request.duration')?.dataPoints ?? []
  return {
    spans: finished.map((span) => ({ name: span.name, attributes: span.attributes })),
    // Of all arrangements so far.
    routes: served.map(({ attributes, value }) => ({
      route: attributes['http.route'],
      count: (value as { readonly count: number }).count,
    })),
    entered: entered(),
    metrics: own,
  }
}

const results: Record<string, object> = {}
for (const [name, make] of Object.entries({
  'express use': () => arrangedExpress(false),
  'express serve': () => arrangedExpress(true),
  'koa use': () => arrangedKoa(false),
  'koa serve': () => arrangedKoa(true),
})) {
  results[name] = await measured(make(), name)
}
console.log(JSON.stringify(results))
process.exit(0)
