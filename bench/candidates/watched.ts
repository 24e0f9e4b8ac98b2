import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { CacheStats } from 'fallback-cache'
import { instrument } from 'fallback-cache/opentelemetry'
import { registerMetrics } from 'fallback-cache/prometheus'
import { Registry } from 'prom-client'
import type { Setup } from './setup.js'

/** Milliseconds between two readings: more often than a fleet is asked, which happens every 15 s. */
const EVERY = 1000

/** Milliseconds between them where instructions are counted, which takes fifty times as long: none falls among few requests. */
const NEVER = 24 * 60 * 60 * 1000

/** Switches all metrics of a cache on, and reads them: Prometheus, OpenTelemetry, and the samples of the dashboard. */
export function watched<Cached extends { stats(): CacheStats; dashboard(): unknown }>(
  cached: Cached,
  { isBare }: Pick<Setup, 'isBare'>,
): Cached {
  const every = isBare ? NEVER : EVERY
  const registry = new Registry()
  registerMetrics(registry, cached)
  setInterval(() => void registry.metrics(), every).unref()
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: every,
    exportTimeoutMillis: every,
  })
  instrument(cached, { meter: new MeterProvider({ readers: [reader] }).getMeter('bench') })
  setInterval(() => exporter.reset(), every).unref()
  cached.dashboard()
  return cached
}
