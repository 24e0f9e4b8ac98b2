import type { CacheStats, DurationStats, MeterStats } from '../index.js'

type Labels = Readonly<Record<string, string>>

/** One value of a metric, with its labels. */
interface Sample {
  readonly value: number
  readonly labels?: Labels
  /** What a series of a histogram has behind the name: `_bucket`, `_count`, `_sum`. */
  readonly suffix?: string
}

/** What was counted for a route; without a route for all. */
export type RouteMeter = MeterStats & { readonly route?: string }

/** One metric: its description, and how its values are read. */
export interface Family {
  /** Without the prefix `fallback_cache_`, and without `_total` for a counter. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** How the values of several processes on one machine are aggregated. @defaultValue their sum */
  readonly aggregator?: 'max' | 'min' | undefined
  readonly read: (stats: CacheStats, meters: readonly RouteMeter[]) => readonly Sample[]
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

/** A counter with the label `route`; a route that never had it has no series. */
function byRoute(name: string, help: string, read: (meter: MeterStats) => number): Family {
  return {
    name,
    type: 'counter',
    help,
    read: (_stats, meters) => meters.map((meter) => ({ value: read(meter), labels: routeLabel(meter) })),
  }
}

/** Without a pattern there is no label, which means the same to Prometheus as an empty one. */
function routeLabel({ route }: { readonly route?: string }): Labels {
  return route === undefined || route === '' ? {} : { route }
}

function requestSamples(meter: RouteMeter): readonly Sample[] {
  return Object.entries(meter.requests).flatMap(([result, tiers]) =>
    Object.entries(tiers as Readonly<Record<string, number>>)
      .filter(([, value]) => value > 0 || (meter.route ?? '') === '')
      .map(([tier, value]) => ({ value, labels: { result, tier, ...routeLabel(meter) } })),
  )
}

/** The bounds that are exported, in seconds; each is a bound of the finer buckets of `stats()`. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** The same for reads of Redis, which end at the option `redisTimeout`. */
const REDIS_BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25] as const

function durationSamples(
  { buckets, seconds, count }: DurationStats,
  bounds: readonly number[],
  labels: Labels,
): readonly Sample[] {
  const counted = Object.entries(buckets).map(([bound, within]) => ({ bound: Number(bound), within }))
  const upTo = (limit: number): number =>
    counted.reduce((sum, { bound, within }) => (bound <= limit ? sum + within : sum), 0)
  return [
    ...bounds.map((le) => ({ value: upTo(le), labels: { le: String(le), ...labels }, suffix: '_bucket' })),
    { value: count, labels: { le: '+Inf', ...labels }, suffix: '_bucket' },
    { value: seconds, labels, suffix: '_sum' },
    { value: count, labels, suffix: '_count' },
  ]
}

const CIRCUIT_STATES = ['closed', 'open', 'half_open'] as const

/** All metrics. The names follow the conventions of Prometheus: base units, `_total` for counters. */
export const FAMILIES: readonly Family[] = [
  {
    name: 'requests',
    type: 'counter',
    help: 'Requests, and lookups of values, by result, by where the answer came from, and by route.',
    read: (_stats, meters) => meters.flatMap(requestSamples),
  },
  {
    name: 'handler_duration_seconds',
    type: 'histogram',
    help: 'Handler runs until the response began, and computations of getOrSet.',
    read: (_stats, meters) =>
      meters.flatMap(({ handler, ...meter }) => durationSamples(handler, BOUNDS, routeLabel(meter))),
  },
  byRoute('saved_seconds', 'Handler time that answers from the cache have saved.', (meter) => meter.savedSeconds),
  byRoute('served_bytes', 'Bytes of bodies sent from the cache.', (meter) => meter.servedBytes),
  counter('outage_hits', 'Hits from memory while Redis could not be used.', (c) => c.servedWhileDisconnected),
  counter('stores', 'Entries stored.', ({ stores }) => stores),
  counter('stored_bytes', 'Bytes of their bodies.', ({ storedBytes }) => storedBytes),
  {
    name: 'refusals',
    type: 'counter',
    help: 'Responses not stored and requests that bypassed the cache, by reason (docs/reasons.md) and route.',
    read: (_stats, meters) =>
      meters.flatMap((meter) =>
        Object.entries(meter.refused).map(([reason, value]) => ({ value, labels: { reason, ...routeLabel(meter) } })),
      ),
  },
  counter('late_stores', 'Results that an invalidation overtook while they were made.', (c) => c.lateStores),
  counter('invalidations', 'Invalidations issued by this process.', (c) => c.invalidations),
  counter('retired_keys', 'Keys taken out of use after an unsafe method (RFC 9111, section 4.4).', (c) => c.retired),
  counter('confirmed_hits', 'Hits from memory that Redis confirmed without their entry.', (c) => c.confirmedHits),
  counter('evictions', 'Entries that memory removed to make room.', (c) => c.evictions),
  counter('precompressed', 'Encoded forms of stored responses that were made.', (c) => c.precompressed),
  counter('precompressed_bytes', 'Bytes of those encoded forms.', (c) => c.precompressedBytes),
  counter('precompressed_hits', 'Hits sent in an encoded form.', (c) => c.precompressedHits),
  {
    name: 'redis_read_duration_seconds',
    type: 'histogram',
    help: 'Reads of entries that Redis has answered, until their reply came.',
    read: ({ redisReads }) => (redisReads === undefined ? [] : durationSamples(redisReads, REDIS_BOUNDS, {})),
  },
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
  counter('redis_read_bytes', 'Bytes of entries read from Redis.', (c) => c.redisBytesRead),
  counter('redis_written_bytes', 'Bytes of entries sent to Redis.', (c) => c.redisBytesWritten),
  counter('outages', 'Times that Redis was lost.', ({ outages }) => outages),
  {
    name: 'outage_seconds',
    type: 'counter',
    help: 'Duration of all outages, the current one included.',
    read: ({ outage }) => one(outage.seconds),
  },
  counter('circuit_openings', 'Times that the circuit breaker opened.', (c) => c.circuitOpened),
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
  {
    ...gauge(
      'log_lag_seconds',
      'For how long other processes may have added invalidations that this one does not know.',
      ({ log }) => log?.lagSeconds,
    ),
    aggregator: 'max',
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
  gauge('redis_commands', 'Commands that wait for Redis, those given up included.', (s) => s.commandsInFlight),
  gauge('pending_writes', 'Entries that are still to be written to Redis.', (stats) => stats.pendingWrites),
  gauge('mirror_records', 'Invalidations that this process knows.', (stats) => stats.mirror.records),
  gauge('mirror_bytes', 'Bytes of those records.', (stats) => stats.mirror.bytes),
  gauge('mirror_limit_bytes', 'Limit of those bytes.', (stats) => stats.mirror.maxBytes),
  gauge('changes', 'Keys known to have changed in Redis.', (stats) => stats.changes.records),
  gauge('retired_records', 'Keys taken out of use lately.', (stats) => stats.retired.records),
  gauge('shadow_bytes', 'Bytes of the directory of shadow mode.', (stats) => stats.shadow?.bytes),
  gauge('processes', 'Processes whose reports are held for a dashboard.', (stats) => stats.processes?.processes),
  gauge('journal_bytes', 'Bytes of invalidations that the log does not have yet.', (stats) => stats.journal?.bytes),
  gauge('journal_limit_bytes', 'Limit of those bytes.', (stats) => stats.journal?.maxBytes),
]

function redisGauge({ backend }: CacheStats, value: boolean): number | undefined {
  if (backend === 'memory') return undefined
  return value ? 1 : 0
}
