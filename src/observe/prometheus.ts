import type { CacheStats } from '../index.js'

/**
 * The part of a Prometheus registry that is used; compatible with the `Registry` of `prom-client` and its successor.
 */
export interface MetricsRegistry {
  registerMetric(metric: never): unknown
  readonly contentType?: string
}

/** A cache or a middleware whose `stats()` are exported as metrics. */
export interface MetricsSource {
  stats(): CacheStats
}

/** Options of {@link registerMetrics}. */
export interface MetricsOptions {
  /** Value of the label `cache`, which distinguishes several caches in one process. @defaultValue 'default' */
  readonly name?: string | undefined
}

interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

interface Family {
  /** Without the prefix `fallback_cache_`, and without `_total` for a counter. */
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  /** How the values of several processes on one machine are aggregated. @defaultValue their sum */
  readonly aggregator?: 'max' | 'min' | undefined
  readonly read: (stats: CacheStats) => readonly Sample[]
}

/** The caches of each registry, by name, because a registry accepts each metric only once. */
const registered = new WeakMap<MetricsRegistry, Map<string, MetricsSource>>()

/**
 * Adds the metrics of a cache to a Prometheus registry. They are read when the registry is scraped, so requests have no
 * extra cost. No label contains a key, a URL or other values that clients choose.
 *
 * ```ts
 * import { register } from 'prom-client'
 * import { registerMetrics } from 'fallback-cache/prometheus'
 *
 * registerMetrics(register, cached)
 * app.get('/metrics', async (req, res) => res.type(register.contentType).send(await register.metrics()))
 * ```
 *
 * @param source - the result of `fallbackCache()`, or a `FallbackCache`
 * @throws TypeError if an argument has the wrong type, or if the registry already has a cache with this name
 */
export function registerMetrics(registry: MetricsRegistry, source: MetricsSource, options: MetricsOptions = {}): void {
  if (typeof registry?.registerMetric !== 'function') {
    throw new TypeError(
      'registerMetrics needs a Prometheus registry as its first argument, such as `register` of prom-client',
    )
  }
  if (typeof source?.stats !== 'function') {
    throw new TypeError(
      'registerMetrics needs the cache as its second argument: what fallbackCache() returned, or a FallbackCache',
    )
  }
  const { name = 'default' } = options
  if (typeof name !== 'string' || name === '') throw new TypeError('the option name must be a non-empty string')
  const sources = registered.get(registry) ?? registerFamilies(registry)
  if (sources.has(name)) {
    throw new TypeError(`the registry has a cache named "${name}" already: give each one a name of its own`)
  }
  sources.set(name, source)
}

function registerFamilies(registry: MetricsRegistry): Map<string, MetricsSource> {
  const sources = new Map<string, MetricsSource>()
  for (const family of FAMILIES) registry.registerMetric(metricOf(family, registry, sources) as never)
  registered.set(registry, sources)
  return sources
}

/** A metric in the form that registries accept: an object with a name and a function that returns its values. */
function metricOf(family: Family, registry: MetricsRegistry, sources: ReadonlyMap<string, MetricsSource>): object {
  const { name, type, help, read } = family
  const aggregator: string = family.aggregator ?? 'sum'
  const metric = {
    name: nameIn(registry, name, type),
    type,
    help,
    aggregator,
    get: () => ({
      name: metric.name,
      type,
      help,
      aggregator,
      values: Array.from(sources, ([cache, source]) =>
        read(source.stats()).map(({ value, labels }) => ({ value, labels: { cache, ...labels } })),
      ).flat(),
    }),
    reset: () => {},
  }
  return metric
}

/** OpenMetrics registries append `_total` to counter names themselves. */
function nameIn({ contentType }: MetricsRegistry, name: string, type: Family['type']): string {
  const isOpenMetrics = contentType?.includes('openmetrics') === true
  return `fallback_cache_${name}${type === 'counter' && !isOpenMetrics ? '_total' : ''}`
}

function one(value: number | null | undefined): readonly Sample[] {
  return value === undefined || value === null ? [] : [{ value }]
}

function byLabel(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([name, value]) => ({ value, labels: { [label]: name } }))
}

function counter(name: string, help: string, read: (counters: CacheStats['counters']) => number): Family {
  return { name, type: 'counter', help, read: ({ counters }) => one(read(counters)) }
}

function gauge(name: string, help: string, read: (stats: CacheStats) => number | null | undefined): Family {
  return { name, type: 'gauge', help, read: (stats) => one(read(stats)) }
}

const CIRCUIT_STATES = ['closed', 'open', 'half_open'] as const

/** All metrics. The names follow the conventions of Prometheus: base units, `_total` for counters. */
const FAMILIES: readonly Family[] = [
  {
    name: 'requests',
    type: 'counter',
    help: 'Lookups by result: hit (in memory or in Redis), miss, bypass.',
    read: ({ counters: { memoryHits, redisHits, misses, bypassed } }) => [
      { value: memoryHits, labels: { result: 'hit', tier: 'memory' } },
      { value: redisHits, labels: { result: 'hit', tier: 'redis' } },
      { value: misses, labels: { result: 'miss', tier: 'origin' } },
      { value: bypassed, labels: { result: 'bypass', tier: 'origin' } },
    ],
  },
  counter('stale_hits', 'Hits whose response was stale when it was sent.', ({ stale }) => stale),
  counter('collapsed_requests', 'Requests that waited for the handler run of another request.', (c) => c.collapsed),
  counter('outage_hits', 'Hits from memory while Redis could not be used.', (c) => c.servedWhileDisconnected),
  counter('stores', 'Entries stored.', ({ stores }) => stores),
  {
    name: 'refusals',
    type: 'counter',
    help: 'Responses not stored or not reused, by reason (docs/reasons.md).',
    read: ({ counters: { refused } }) => byLabel('reason', refused),
  },
  counter('late_stores', 'Results that an invalidation overtook while they were made.', (c) => c.lateStores),
  counter('invalidations', 'Invalidations issued by this process.', (c) => c.invalidations),
  counter('retired_keys', 'Keys taken out of use after an unsafe method (RFC 9111, section 4.4).', (c) => c.retired),
  counter('evictions', 'Entries that memory removed to make room.', (c) => c.evictions),
  counter('precompressed', 'Encoded forms of stored responses that were made.', (c) => c.precompressed),
  counter('precompressed_bytes', 'Bytes of those encoded forms.', (c) => c.precompressedBytes),
  counter('precompressed_hits', 'Hits sent in an encoded form.', (c) => c.precompressedHits),
  counter('redis_timeouts', 'Redis commands without a reply within redisTimeout.', (c) => c.redisTimeouts),
  counter('redis_failures', 'Redis commands that failed without a connection.', (c) => c.redisFailures),
  counter(
    'redis_skipped',
    'Redis commands not sent: open circuit, no connection, too many waiting.',
    (c) => c.redisSkipped,
  ),
  {
    name: 'redis_error_replies',
    type: 'counter',
    help: 'Error replies of Redis by error code; none in health.',
    read: ({ counters: { redisErrors } }) => byLabel('code', redisErrors),
  },
  counter('redis_too_large', 'Values too large to be sent to Redis.', (c) => c.tooLargeForRedis),
  counter('redis_foreign_entries', 'Entries in Redis that could not be read.', (c) => c.foreignEntries),
  counter('outages', 'Times that Redis was lost.', ({ outages }) => outages),
  counter('written_back', 'Entries written to Redis after an outage.', (c) => c.writtenBack),
  counter('swept', 'Invalidated entries removed from Redis.', ({ swept }) => swept),
  counter('serializer_errors', 'Errors of the serializer or the deserializer.', (c) => c.serializerErrors),
  {
    ...gauge('redis_connected', '1 while Redis is used, 0 while it is not.', (s) => redisGauge(s, s.connected)),
    aggregator: 'min',
  },
  {
    name: 'circuit_state',
    type: 'gauge',
    help: '1 for the state of the circuit breaker, 0 for the others.',
    read: ({ backend, circuitBreakerState }) =>
      backend === 'memory'
        ? []
        : CIRCUIT_STATES.map((state) => ({ value: state === circuitBreakerState ? 1 : 0, labels: { state } })),
  },
  gauge('memory_entries', 'Entries in memory.', (stats) => stats.memoryEntries),
  gauge('memory_max_entries', 'Limit of entries in memory.', (stats) => stats.maxEntries),
  gauge('memory_usage_bytes', 'Bytes of the entries in memory.', (stats) => stats.memoryBytes),
  gauge('memory_limit_bytes', 'Limit of bytes in memory.', (stats) => stats.maxBytes),
  {
    ...gauge('memory_oldest_age_seconds', 'Age of the entry that is evicted next.', (s) => s.oldestAgeSeconds),
    aggregator: 'max',
  },
  gauge('recordings', 'Responses that are being recorded.', (stats) => stats.recordings.open),
  gauge('recordings_bytes', 'Bytes held by recordings.', (stats) => stats.recordings.bytes),
  gauge('recordings_limit_bytes', 'Limit of bytes held by recordings.', (stats) => stats.recordings.maxBytes),
  gauge('waiting_requests', 'Requests that wait for the handler run of another request.', (stats) => stats.waiting),
  gauge('refreshes', 'Stale responses that are being refreshed in the background.', (stats) => stats.refreshing),
  gauge('computing', 'Computations of getOrSet in progress.', (stats) => stats.computing),
  gauge('pending_invalidations', 'Invalidations that Redis does not have yet.', (stats) => stats.pendingInvalidations),
  gauge('pending_writes', 'Entries that are still to be written to Redis.', (stats) => stats.pendingWrites),
  gauge('mirror_records', 'Invalidations that this process knows.', (stats) => stats.mirror.records),
  gauge('mirror_bytes', 'Bytes of those records.', (stats) => stats.mirror.bytes),
  gauge('mirror_limit_bytes', 'Limit of those bytes.', (stats) => stats.mirror.maxBytes),
  gauge('journal_bytes', 'Bytes of invalidations that the log does not have yet.', (stats) => stats.journal?.bytes),
  gauge('journal_limit_bytes', 'Limit of those bytes.', (stats) => stats.journal?.maxBytes),
]

function redisGauge({ backend }: CacheStats, value: boolean): number | undefined {
  if (backend === 'memory') return undefined
  return value ? 1 : 0
}
