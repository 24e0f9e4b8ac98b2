// From the samples of processes to what the charts show. Pure functions: no DOM.

/**
 * @typedef {import('../history.js').Sample} Sample
 * @typedef {import('../history.js').Moment} Moment
 * @typedef {import('../fleet.js').OtherProcess} Process one process, as the server tells of it
 * @typedef {Process['stats']} ShownStats
 */

/** The sources of answers, in the order in which the chart stacks them. */
export const SOURCES = /** @type {const} */ (['memory', 'redis', 'stale', 'collapsed', 'revalidated', 'miss', 'bypass'])

/** @typedef {typeof SOURCES[number]} Source */

/** @typedef {Sample['redisBuckets']} Buckets counts by upper bound in seconds */

/** What a source is called where people read it. @type {Record<Source, { label: string, meaning: string }>} */
export const WORDS = {
  memory: { label: 'Memory', meaning: 'Fresh responses from the memory of the process' },
  redis: { label: 'Redis', meaning: 'Fresh responses from Redis' },
  stale: { label: 'Stale', meaning: 'Stale responses, while they are made again or instead of an error' },
  collapsed: { label: 'Shared run', meaning: 'Requests that waited for the handler run of another request' },
  revalidated: { label: 'Confirmed', meaning: 'Stored responses that the handler has confirmed' },
  miss: { label: 'Handler', meaning: 'Responses made by the handler because none was stored' },
  bypass: { label: 'Bypass', meaning: 'Requests that the cache does not handle' },
}

/**
 * One interval of the charts.
 *
 * @typedef {{
 *   at: number, seconds: number, perSecond: Record<Source, number>, requests: number, hitRatio: number | null,
 *   savedPerSecond: number, p50: number | null, p99: number | null, redisP50: number | null, redisP99: number | null,
 *   memoryBytes: number, connected: boolean,
 *   circuit: Sample['circuit'],
 * }} Interval
 */

/**
 * The samples that a page knows, with those of an answer. Of a process that is new to it an answer has the end only, unless it is the first:
 * without a sample, the next answer has all of them.
 *
 * @param {ReadonlyMap<string, readonly Sample[]>} known by process
 * @param {readonly Pick<Process, 'id' | 'samples'>[]} processes
 * @param {number} oldest epoch ms
 * @param {number} newest epoch ms; later ones are from before the clock was set back
 */
export function kept(known, processes, oldest, newest = Number.POSITIVE_INFINITY) {
  return new Map(
    processes.map(({ id, samples }) => {
      const before = (known.get(id) ?? []).filter(({ at }) => at <= newest)
      const last = before.at(-1)?.at ?? 0
      const next = known.size > 0 && !known.has(id) ? [] : samples.filter(({ at }) => at > last)
      return [id, [...before, ...next].filter(({ at }) => at >= oldest)]
    }),
  )
}

/** A process whose newest sample is older than this, in ms, is not waited for. */
const LOST = 12_000

/**
 * The intervals of several processes as one: counts are added, and a state is as bad as the worst. Ends where the samples
 * of all processes end, because a sum without some of them would look like a fall.
 *
 * @param {readonly (readonly Sample[])[]} processes the samples of each
 * @param {number} every ms between two samples
 * @returns {Interval[]} by time
 */
export function intervals(processes, every) {
  /** @type {Map<number, ReturnType<typeof emptySum>>} */
  const sums = new Map()
  for (const samples of processes) {
    for (let index = 1; index < samples.length; index++) {
      const before = samples[index - 1]
      const after = samples[index]
      if (before === undefined || after === undefined) continue
      const end = Math.round(after.at / every) * every
      // Samples of other processes are further apart: what grew between two is spread over the intervals in between.
      const parts = Math.min(MOST_PARTS, Math.max(1, Math.round((after.at - before.at) / every)))
      for (let part = 0; part < parts; part++) {
        const at = end - part * every
        const sum = sums.get(at) ?? emptySum()
        sums.set(at, sum)
        addDifference(sum, before, after, parts)
      }
    }
  }
  const end = commonEnd(processes)
  return Array.from(sums, ([at, sum]) => intervalOf(at, sum))
    .filter(({ at }) => at <= end + every / 2)
    .sort((one, other) => one.at - other.at)
}

/** As many intervals as the charts have. */
const MOST_PARTS = 450

/** @param {readonly (readonly Sample[])[]} processes @returns {number} epoch ms */
function commonEnd(processes) {
  const ends = processes.flatMap((samples) => samples.at(-1)?.at ?? [])
  const newest = Math.max(...ends)
  return Math.min(...ends.filter((end) => newest - end < LOST))
}

function emptySum() {
  return {
    seconds: 0,
    counts: /** @type {Record<Source, number>} */ (Object.fromEntries(SOURCES.map((source) => [source, 0]))),
    saved: 0,
    buckets: /** @type {Record<string, number>} */ ({}),
    redisBuckets: /** @type {Record<string, number>} */ ({}),
    memoryBytes: 0,
    connected: true,
    circuit: /** @type {Sample['circuit']} */ ('closed'),
  }
}

/**
 * @param {ReturnType<typeof emptySum>} sum
 * @param {Sample} before
 * @param {Sample} after
 * @param {number} parts the number of intervals between the two
 */
function addDifference(sum, before, after, parts) {
  sum.seconds = Math.max(sum.seconds, (after.at - before.at) / 1000 / parts)
  for (const source of SOURCES) sum.counts[source] += grown(before[source], after[source]) / parts
  sum.saved += grown(before.savedSeconds, after.savedSeconds) / parts
  addGrown(sum.buckets, before.handlerBuckets, after.handlerBuckets, parts)
  addGrown(sum.redisBuckets, before.redisBuckets, after.redisBuckets, parts)
  sum.memoryBytes += after.memoryBytes
  sum.connected &&= after.connected
  if (after.circuit !== 'closed') sum.circuit = after.circuit
}

/** @param {Record<string, number>} sum @param {Buckets} before @param {Buckets} after @param {number} parts */
function addGrown(sum, before, after, parts) {
  for (const [bound, count] of Object.entries(after)) {
    sum[bound] = (sum[bound] ?? 0) + grown(before[bound] ?? 0, count) / parts
  }
}

/** The growth of a total; what a process that has started again counts is all new. @param {number} before @param {number} after */
function grown(before, after) {
  return after >= before ? after - before : after
}

/**
 * @param {number} at
 * @param {ReturnType<typeof emptySum>} sum
 * @returns {Interval}
 */
function intervalOf(at, { seconds, counts, saved, buckets, redisBuckets, ...state }) {
  const length = seconds || 1
  const perSecond = /** @type {Record<Source, number>} */ (
    Object.fromEntries(SOURCES.map((source) => [source, counts[source] / length]))
  )
  const requests = SOURCES.reduce((sum, source) => sum + counts[source], 0)
  return {
    at,
    seconds,
    perSecond,
    requests,
    hitRatio: ratioOf(counts),
    savedPerSecond: saved / length,
    p50: quantile(buckets, 0.5),
    p99: quantile(buckets, 0.99),
    redisP50: quantile(redisBuckets, 0.5),
    redisP99: quantile(redisBuckets, 0.99),
    ...state,
  }
}

/**
 * The share of the requests that the cache handles which it answered without a handler run of their own.
 *
 * @param {Record<Source, number>} counts
 * @returns {number | null} nothing without such a request
 */
export function ratioOf({ memory, redis, stale, collapsed, revalidated, miss }) {
  const answered = memory + redis + stale + collapsed
  const all = answered + revalidated + miss
  return all === 0 ? null : answered / all
}

/**
 * A quantile of durations that are counted in buckets: the upper bound of the bucket that it falls into.
 *
 * @param {Readonly<Record<string, number>>} buckets counts by upper bound in seconds
 * @param {number} share 0 to 1
 * @returns {number | null} seconds, or nothing without durations
 */
export function quantile(buckets, share) {
  const sorted = Object.entries(buckets)
    .map(([bound, count]) => ({ bound: Number(bound), count }))
    .filter(({ count }) => count > 0)
    .sort((one, other) => one.bound - other.bound)
  const total = sorted.reduce((sum, { count }) => sum + count, 0)
  let seen = 0
  for (const { bound, count } of sorted) {
    seen += count
    if (seen >= share * total) return Number.isFinite(bound) ? bound : 100
  }
  return null
}

/**
 * The routes of several processes, added.
 *
 * @param {readonly Process[]} processes
 */
export function routesOf(processes) {
  /** @type {Map<string, { route: string, counts: Record<Source, number>, saved: number, seconds: number, runs: number, buckets: Record<string, number>, refused: Record<string, number> }>} */
  const routes = new Map()
  for (const { route, requests, savedSeconds, handler, refused } of processes.flatMap(
    (one) => one.stats.traffic.routes,
  )) {
    const sum = routes.get(route) ?? {
      route,
      counts: emptySum().counts,
      saved: 0,
      seconds: 0,
      runs: 0,
      buckets: {},
      refused: {},
    }
    routes.set(route, sum)
    const counts = countsOf(requests)
    for (const source of SOURCES) sum.counts[source] += counts[source]
    sum.saved += savedSeconds
    sum.seconds += handler.seconds
    sum.runs += handler.count
    add(sum.buckets, handler.buckets)
    add(sum.refused, refused)
  }
  return Array.from(routes.values(), ({ buckets, ...route }) => ({
    ...route,
    requests: SOURCES.reduce((sum, source) => sum + route.counts[source], 0),
    hitRatio: ratioOf(route.counts),
    p50: quantile(buckets, 0.5),
    p99: quantile(buckets, 0.99),
  })).filter(({ requests, runs }) => requests + runs > 0)
}

/** @param {Record<string, number>} sum @param {Readonly<Record<string, number>>} more */
function add(sum, more) {
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count
}

/** @param {ShownStats['traffic']['requests']} requests @returns {Record<Source, number>} */
function countsOf({ hit, stale, collapsed, revalidated, miss, bypass }) {
  return {
    memory: hit.memory,
    redis: hit.redis,
    stale: stale.memory + stale.redis + stale.origin,
    collapsed: collapsed.memory,
    revalidated: revalidated.origin,
    miss: miss.origin,
    bypass: bypass.origin,
  }
}

/**
 * The totals of several processes.
 *
 * @param {readonly Process[]} processes
 */
export function totalsOf(processes) {
  const counts = emptySum().counts
  let saved = 0
  let memoryBytes = 0
  let maxBytes = 0
  let entries = 0
  for (const { stats } of processes) {
    const own = countsOf(stats.traffic.requests)
    for (const source of SOURCES) counts[source] += own[source]
    saved += stats.traffic.savedSeconds
    memoryBytes += stats.memoryBytes
    maxBytes += stats.maxBytes
    entries += stats.entries
  }
  return { counts, saved, memoryBytes, maxBytes, entries, hitRatio: ratioOf(counts) }
}

/**
 * The hit ratio and the rates of the last intervals.
 *
 * @param {readonly Interval[]} all
 * @param {number} since epoch ms
 */
export function recent(all, since) {
  const counts = emptySum().counts
  let seconds = 0
  let saved = 0
  for (const interval of all) {
    if (interval.at < since) continue
    for (const source of SOURCES) counts[source] += interval.perSecond[source] * interval.seconds
    saved += interval.savedPerSecond * interval.seconds
    seconds += interval.seconds
  }
  const requests = SOURCES.reduce((sum, source) => sum + counts[source], 0)
  return {
    hitRatio: ratioOf(counts),
    perSecond: seconds === 0 ? 0 : requests / seconds,
    savedPerSecond: seconds === 0 ? 0 : saved / seconds,
  }
}

/**
 * The times in which a state held, as spans from a start to an end.
 *
 * @param {readonly Interval[]} all
 * @param {(interval: Interval) => boolean} holds
 * @returns {{ from: number, to: number }[]} epoch ms
 */
export function spans(all, holds) {
  /** @type {{ from: number, to: number }[]} */
  const found = []
  let open = false
  for (const interval of all) {
    const last = found.at(-1)
    if (!holds(interval)) open = false
    else if (open && last !== undefined) last.to = interval.at
    else {
      found.push({ from: interval.at - interval.seconds * 1000, to: interval.at })
      open = true
    }
  }
  return found
}
