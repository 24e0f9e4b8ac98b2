import type { ToldProcess } from './dashboard-client.js'
import { bytesText } from './figures.js'

/** Requests by their result. */
type Requests = ToldProcess['stats']['traffic']['requests']

/** The counts of one route, in all processes. */
export interface RouteCount {
  readonly route: string
  requests: number
  hits: number
  handlerRuns: number
  savedSeconds: number
  servedBytes: number
}

/** Adds up the routes of processes, the busiest first. */
export function routeCounts(processes: readonly ToldProcess[]): readonly RouteCount[] {
  const routes = new Map<string, RouteCount>()
  for (const { stats } of processes) {
    for (const { route, requests, handler, savedSeconds, servedBytes } of stats.traffic.routes) {
      const none = { route, requests: 0, hits: 0, handlerRuns: 0, savedSeconds: 0, servedBytes: 0 }
      const count = routes.get(route) ?? none
      count.hits += hitCount(requests)
      count.requests += requestCount(requests)
      count.handlerRuns += handler.count
      count.savedSeconds += savedSeconds
      count.servedBytes += servedBytes
      routes.set(route, count)
    }
  }
  return [...routes.values()].sort((one, other) => other.requests - one.requests)
}

/** Number of requests that the cache has answered. */
export function hitCount({ hit, stale, collapsed }: Requests): number {
  return hit.memory + hit.redis + stale.memory + stale.redis + stale.origin + collapsed.memory
}

/** Number of all requests. */
export function requestCount(requests: Requests): number {
  const { revalidated, miss, bypass } = requests
  return hitCount(requests) + revalidated.origin + miss.origin + bypass.origin
}

/** Rows of a table of routes, with a header row. */
export function routeRows(routes: readonly RouteCount[]): readonly (readonly string[])[] {
  const head = ['REQUESTS', 'HITS', 'HANDLER RUNS', 'SAVED', 'SERVED', 'ROUTE']
  return [
    head,
    ...routes.map((one) => [
      String(one.requests),
      shareText(one.hits, one.requests),
      String(one.handlerRuns),
      `${one.savedSeconds.toFixed(1)} s`,
      bytesText(one.servedBytes),
      one.route === '' ? '(unknown)' : one.route,
    ]),
  ]
}

/** A share in per cent; empty if it is not a number. */
export function shareText(part: number, all: number): string {
  return all === 0 ? '' : `${((100 * part) / all).toFixed(1)} %`
}
