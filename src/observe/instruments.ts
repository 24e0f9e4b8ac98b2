import type { Attributes, Meter, Observable } from '@opentelemetry/api'
import type { CacheStats } from '../index.js'
import type { RouteMeter } from './metric-families.js'

interface Observation {
  readonly value: number
  readonly attributes?: Attributes
}

/** One observable instrument: how it is made, and what is observed. */
export interface Instrument {
  /** Without the prefix `fallback_cache.`. */
  readonly name: string
  readonly kind: 'Counter' | 'UpDownCounter' | 'Gauge'
  /** In UCUM: `s`, `By`, or what is counted in braces. */
  readonly unit: string
  readonly description: string
  readonly read: (stats: CacheStats, meters: readonly RouteMeter[]) => readonly Observation[]
}

/** Makes the instruments, in the order of {@link INSTRUMENTS}. */
export function makeInstruments(meter: Meter): readonly Observable[] {
  return INSTRUMENTS.map(({ name, kind, unit, description }) =>
    meter[`createObservable${kind}`](`fallback_cache.${name}`, { unit, description }),
  )
}

function one(value: number | null | undefined): readonly Observation[] {
  return value === null || value === undefined ? [] : [{ value }]
}

/** An instrument with one value. */
function single(
  name: string,
  [kind, unit]: readonly [Instrument['kind'], string],
  description: string,
  read: (stats: CacheStats) => number | null | undefined,
): Instrument {
  return { name, kind, unit, description, read: (stats) => one(read(stats)) }
}

/** A counter with the attribute `http.route`. */
function byRoute(name: string, unit: string, description: string, read: (meter: RouteMeter) => number): Instrument {
  return {
    ...{ name, unit, description, kind: 'Counter' },
    read: (_stats, meters) => meters.map((meter) => ({ value: read(meter), attributes: routeOf(meter) })),
  }
}

function routeOf({ route }: RouteMeter): Attributes {
  return route === undefined || route === '' ? {} : { 'http.route': route }
}

function requests(meter: RouteMeter): readonly Observation[] {
  return Object.entries(meter.requests).flatMap(
    ([result, tiers]: readonly [string, Readonly<Record<string, number>>]) =>
      Object.entries(tiers)
        .filter(([, value]) => value > 0)
        .map(([tier, value]) => ({
          value,
          attributes: { 'cache.result': result, 'cache.tier': tier, ...routeOf(meter) },
        })),
  )
}

function refusals(meter: RouteMeter): readonly Observation[] {
  return Object.entries(meter.refused).map(([reason, value]) => ({
    value,
    attributes: { 'fallback_cache.reason': reason, ...routeOf(meter) },
  }))
}

function redisErrors({ counters }: CacheStats): readonly Observation[] {
  const byType = {
    timeout: counters.redisTimeouts,
    connection: counters.redisFailures,
    skipped: counters.redisSkipped,
    ...counters.redisErrors,
  }
  return Object.entries(byType).map(([type, value]) => ({ value, attributes: { 'error.type': type } }))
}

function redisBytes({ counters }: CacheStats): readonly Observation[] {
  return [
    { value: counters.redisBytesRead, attributes: { 'network.io.direction': 'receive' } },
    { value: counters.redisBytesWritten, attributes: { 'network.io.direction': 'transmit' } },
  ]
}

const ENTRIES = ['Counter', '{entry}'] as const
const GAUGE_OF_BYTES = ['UpDownCounter', 'By'] as const

/** All observable metrics. The names follow the semantic conventions of OpenTelemetry. */
export const INSTRUMENTS: readonly Instrument[] = [
  {
    ...{ name: 'requests', kind: 'Counter', unit: '{request}' },
    description: 'Requests, and lookups of values, by result and by where the answer came from.',
    read: (_stats, meters) => meters.flatMap(requests),
  },
  byRoute('saved.duration', 's', 'Handler time that answers from the cache have saved.', (m) => m.savedSeconds),
  byRoute('served.io', 'By', 'Bytes of bodies sent from the cache.', (m) => m.servedBytes),
  {
    ...{ name: 'refusals', kind: 'Counter', unit: '{response}' },
    description: 'Responses not stored and requests that bypassed the cache, by reason.',
    read: (_stats, meters) => meters.flatMap(refusals),
  },
  single('stores', ENTRIES, 'Entries stored.', ({ counters }) => counters.stores),
  single('evictions', ENTRIES, 'Entries that memory removed to make room.', ({ counters }) => counters.evictions),
  single(
    'invalidations',
    ['Counter', '{invalidation}'],
    'Invalidations of this process.',
    (s) => s.counters.invalidations,
  ),
  {
    ...{ name: 'redis.errors', kind: 'Counter', unit: '{error}' },
    description: 'Redis commands that failed, by the code of the reply, timeout, connection, or skipped.',
    read: redisErrors,
  },
  {
    ...{ name: 'redis.io', kind: 'Counter', unit: 'By' },
    description: 'Bytes of entries read from Redis, and sent to it.',
    read: redisBytes,
  },
  single('outages', ['Counter', '{outage}'], 'Times that Redis was lost.', ({ counters }) => counters.outages),
  single('outage.duration', ['Counter', 's'], 'Duration of all outages.', ({ outage }) => outage.seconds),
  single('circuit.openings', ['Counter', '{opening}'], 'Openings of the breaker.', (s) => s.counters.circuitOpened),
  single('redis.connected', ['Gauge', '1'], '1 while Redis is used, 0 while it is not.', (s) =>
    s.backend === 'memory' ? undefined : Number(s.connected),
  ),
  single('log.lag', ['Gauge', 's'], 'For how long unknown invalidations may exist.', ({ log }) => log?.lagSeconds),
  single('memory.entry.count', ['UpDownCounter', '{entry}'], 'Entries in memory.', (s) => s.memoryEntries),
  single('memory.usage', GAUGE_OF_BYTES, 'Bytes of the entries in memory.', (s) => s.memoryBytes),
  single('memory.limit', GAUGE_OF_BYTES, 'Limit of bytes in memory.', (s) => s.maxBytes),
  single(
    'pending_invalidation.count',
    ['UpDownCounter', '{invalidation}'],
    'Invalidations that Redis lacks.',
    (s) => s.pendingInvalidations,
  ),
  single(
    'pending_write.count',
    ['UpDownCounter', '{entry}'],
    'Entries still to be written to Redis.',
    (s) => s.pendingWrites,
  ),
  single(
    'waiting_request.count',
    ['UpDownCounter', '{request}'],
    'Requests that wait for the run of another.',
    (s) => s.waiting,
  ),
  single('refresh.count', ['UpDownCounter', '{refresh}'], 'Refreshes in the background.', (s) => s.refreshing),
]
