import type { CacheStats, RouteStats } from '../index.js'
import type { Moment, Sample } from './history.js'
import {
  sampleOfRow,
  samplesAsRows,
  toldBuckets,
  toldCounts,
  toldFlag,
  toldList,
  toldNumber,
  toldNumbers,
  toldRecord,
  toldText,
  toldWord,
} from './told.js'

/** The statistics of a process that the page shows. */
export interface ShownStats
  extends Pick<
    CacheStats,
    | 'backend'
    | 'connected'
    | 'redisError'
    | 'entries'
    | 'memoryBytes'
    | 'maxBytes'
    | 'waiting'
    | 'pendingInvalidations'
    | 'pendingWrites'
  > {
  readonly counters: Pick<CacheStats['counters'], 'outages' | 'servedWhileDisconnected'>
  readonly traffic: Pick<CacheStats['traffic'], 'requests' | 'savedSeconds'> & {
    readonly routes: readonly RouteStats[]
  }
}

/** What a process tells of itself, to pages and to other processes. */
export interface ProcessReport {
  /** Its name, as in the receipts of invalidations. */
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly node: string
  /** Epoch ms of its clock, as all moments here. */
  readonly at: number
  readonly startedAt: number
  readonly stats: ShownStats
  readonly samples: readonly Sample[]
  readonly moments: readonly Moment[]
}

/** The form of the text; a text of another form is not read. */
const FORM = 2

/** Routes, reasons of a route, moments and samples that are read; more is not written either. */
const MOST_ROUTES = 210
const MOST_MOMENTS = 50
const MOST_SAMPLES = 60

/** The statistics that are shown, without the others. */
export function shownStats(stats: CacheStats): ShownStats {
  const { backend, connected, redisError, entries, memoryBytes, maxBytes, waiting } = stats
  const { pendingInvalidations, pendingWrites, counters, traffic } = stats
  const { outages, servedWhileDisconnected } = counters
  const { requests, savedSeconds, routes } = traffic
  return {
    ...{ backend, connected, redisError, entries, memoryBytes, maxBytes, waiting, pendingInvalidations, pendingWrites },
    counters: { outages, servedWhileDisconnected },
    traffic: { requests, savedSeconds, routes },
  }
}

/**
 * A report as text of at most `longest` bytes, with as many of the busiest routes as there is room for. `undefined` if it
 * does not fit without any.
 */
export function reportText(report: ProcessReport, longest: number): string | undefined {
  const { traffic } = report.stats
  const textWith = (routes: readonly RouteStats[]): string =>
    JSON.stringify({
      form: FORM,
      ...report,
      stats: { ...report.stats, redisError: report.stats.redisError?.slice(0, 300), traffic: { ...traffic, routes } },
      samples: samplesAsRows(report.samples),
      moments: report.moments.slice(-MOST_MOMENTS),
    })
  const none = textWith([])
  let room = longest - Buffer.byteLength(none)
  if (room < 0) return undefined
  const routes: RouteStats[] = []
  for (const route of busiestOf(traffic.routes)) {
    room -= Buffer.byteLength(JSON.stringify(route)) + 1
    if (room < 0) break
    routes.push(route)
  }
  return textWith(routes)
}

/** The routes that were requested, those with the most requests first. */
function busiestOf(routes: readonly RouteStats[]): readonly RouteStats[] {
  return routes
    .map((route) => ({ route, weight: weightOf(route) }))
    .filter(({ route, weight }) => weight > 0 || route.handler.count > 0)
    .sort((one, other) => other.weight - one.weight)
    .slice(0, MOST_ROUTES)
    .map(({ route }) => route)
}

/**
 * The report in a text from Redis, or `undefined` if it is none: every part is read on its own, so that nothing else gets
 * to the page.
 */
export function readReport(id: string, said: string): ProcessReport | undefined {
  try {
    const told = toldRecord(JSON.parse(said))
    if (told.form !== FORM) return undefined
    return {
      id,
      host: toldText(told.host, 255),
      pid: toldNumber(told.pid),
      node: toldText(told.node, 30),
      at: toldNumber(told.at),
      startedAt: toldNumber(told.startedAt),
      stats: readStats(toldRecord(told.stats)),
      samples: toldList(told.samples, MOST_SAMPLES, sampleOfRow()),
      moments: toldList(told.moments, MOST_MOMENTS, readMoment),
    }
  } catch {
    return undefined
  }
}

function readStats(told: Readonly<Record<string, unknown>>): ShownStats {
  const traffic = toldRecord(told.traffic)
  const counters = toldRecord(told.counters)
  return {
    backend: toldWord(told.backend, ['redis', 'memory']),
    connected: toldFlag(told.connected),
    redisError: told.redisError === undefined ? undefined : toldText(told.redisError, 300),
    entries: toldNumber(told.entries),
    memoryBytes: toldNumber(told.memoryBytes),
    maxBytes: toldNumber(told.maxBytes),
    waiting: toldNumber(told.waiting),
    pendingInvalidations: toldNumber(told.pendingInvalidations),
    pendingWrites: toldNumber(told.pendingWrites),
    counters: {
      outages: toldNumber(counters.outages),
      servedWhileDisconnected: toldNumber(counters.servedWhileDisconnected),
    },
    traffic: {
      requests: readRequests(traffic.requests),
      savedSeconds: toldNumber(traffic.savedSeconds),
      routes: toldList(traffic.routes, MOST_ROUTES, readRoute),
    },
  }
}

function readRequests(told: unknown): RouteStats['requests'] {
  const by = toldRecord(told)
  return {
    hit: toldNumbers(by.hit, ['memory', 'redis']),
    stale: toldNumbers(by.stale, ['memory', 'redis', 'origin']),
    collapsed: toldNumbers(by.collapsed, ['memory']),
    revalidated: toldNumbers(by.revalidated, ['origin']),
    miss: toldNumbers(by.miss, ['origin']),
    bypass: toldNumbers(by.bypass, ['origin']),
  }
}

function readRoute(told: unknown): RouteStats {
  const { route, requests, handler, savedSeconds, servedBytes, refused } = toldRecord(told)
  const { count, seconds, buckets } = toldRecord(handler)
  return {
    route: toldText(route, 200),
    requests: readRequests(requests),
    handler: { count: toldNumber(count), seconds: toldNumber(seconds), buckets: toldBuckets(buckets) },
    savedSeconds: toldNumber(savedSeconds),
    servedBytes: toldNumber(servedBytes),
    refused: toldCounts(refused),
  }
}

function readMoment(told: unknown): Moment {
  const { at, kind, text: said } = toldRecord(told)
  return {
    at: toldNumber(at),
    kind: toldWord(kind, ['outage', 'recovery', 'circuit', 'fault']),
    text: toldText(said, 300),
  }
}

function weightOf({ requests }: RouteStats): number {
  return Object.values(requests).reduce((sum, by) => sum + sumOf(by), 0)
}

function sumOf(by: Readonly<Record<string, number>>): number {
  return Object.values(by).reduce((sum, one) => sum + one, 0)
}
