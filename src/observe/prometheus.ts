import type { CacheStats } from '../index.js'
import { FAMILIES, type Family, type RouteMeter } from './metric-families.js'

/**
 * The part of a Prometheus registry that is used; compatible with the `Registry` of `prom-client` and its successor.
 */
export interface MetricsRegistry {
  registerMetric(metric: never): unknown
  getSingleMetric?(name: never): unknown
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
  /**
   * Whether requests, handler times, time saved and refusals have the label `route`, up to 202 values of it; without it
   * there is one series for all routes. @defaultValue true
   */
  readonly routes?: boolean | undefined
}

/** A cache, and whether its routes are told apart. */
interface Source {
  readonly cache: MetricsSource
  readonly byRoute: boolean
}

/** The caches of each registry, by name, because a registry accepts each metric only once. */
const registered = new WeakMap<MetricsRegistry, Map<string, Source>>()

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
  const { name = 'default', routes = true } = options
  if (typeof name !== 'string' || name === '') throw new TypeError('the option name must be a non-empty string')
  if (typeof routes !== 'boolean') throw new TypeError('the option routes must be true or false')
  const sources = knownSources(registry) ?? registerFamilies(registry)
  if (sources.has(name)) {
    throw new TypeError(`the registry has a cache named "${name}" already: give each one a name of its own`)
  }
  sources.set(name, { cache: source, byRoute: routes })
}

/** A gauge, whose name is the same in every format. */
const A_METRIC = 'fallback_cache_memory_entries'

/** The caches that the metrics of a registry read; `undefined` before the first one, and after `clear()`. */
function knownSources(registry: MetricsRegistry): Map<string, Source> | undefined {
  const isCleared = registry.getSingleMetric !== undefined && !registry.getSingleMetric(A_METRIC as never)
  return isCleared ? undefined : registered.get(registry)
}

function registerFamilies(registry: MetricsRegistry): Map<string, Source> {
  const sources = new Map<string, Source>()
  const read = statsOnce(sources)
  for (const family of FAMILIES) registry.registerMetric(metricOf(family, registry, read) as never)
  registered.set(registry, sources)
  return sources
}

/** The statistics of a cache at one scrape. */
interface Scraped {
  readonly name: string
  readonly stats: CacheStats
  readonly meters: readonly RouteMeter[]
}

/** Reads the statistics once for all metrics of a scrape: registries ask each in the same turn. */
function statsOnce(sources: ReadonlyMap<string, Source>): () => readonly Scraped[] {
  let scraped: readonly Scraped[] | undefined
  return () => {
    if (scraped === undefined) {
      scraped = Array.from(sources, ([name, { cache, byRoute }]) => {
        const stats = cache.stats()
        return { name, stats, meters: byRoute ? stats.traffic.routes : [stats.traffic] }
      })
      queueMicrotask(() => {
        scraped = undefined
      })
    }
    return scraped
  }
}

/** A metric in the form that registries accept: an object with a name and a function that returns its values. */
function metricOf(family: Family, registry: MetricsRegistry, scrape: () => readonly Scraped[]): object {
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
      values: scrape().flatMap(({ name: cache, stats, meters }) =>
        read(stats, meters).map(({ value, labels, suffix }) => ({
          ...(suffix !== undefined && { metricName: metric.name + suffix }),
          value,
          labels: { cache, ...labels },
        })),
      ),
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
