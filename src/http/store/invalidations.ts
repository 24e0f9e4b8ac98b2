import type { FallbackCache, Invalidation } from '../../core/fallback-cache.js'
import { GroupTags } from '../rules/groups.js'
import { type Invalidate, namedPaths } from './named-paths.js'
import { prefixesOfPath } from './primary-key.js'
import type { UriKeys } from './uri-keys.js'

/** Invalidates the responses of a route, and of the routes within it that store elsewhere. */
export class Invalidations {
  /** The keys of what is stored for a URI. */
  readonly uriKeys: UriKeys
  readonly cache: FallbackCache
  readonly group: string
  readonly #groupTags = new GroupTags()
  /** As far as requests have shown. */
  readonly #inner = new Set<Invalidations>()

  /** @param group - what the keys start with: `''` or `group:` */
  constructor(cache: FallbackCache, group: string, uriKeys: UriKeys) {
    this.uriKeys = uriKeys
    this.cache = cache
    this.group = group
  }

  /** The middlewares that store for the same requests: this one, and those further in as far as requests have shown. */
  get places(): readonly UriKeys[] {
    return [this.uriKeys, ...Array.from(this.#inner, (inner) => inner.uriKeys)]
  }

  /** A middleware further in stores elsewhere: what is invalidated here is to be invalidated there too. */
  include(inner: Invalidations): void {
    this.#inner.add(inner)
  }

  /** Takes out of use what is stored for a path, with all queries and variants, and for what is below it; without arguments, the whole group. */
  readonly invalidate: Invalidate<Invalidation> = async (...args: readonly unknown[]) => {
    const paths = namedPaths(args)
    if (paths === undefined) return this.#invalidatePrefixes((group) => [group === '' ? '/' : group])
    return this.#invalidatePrefixes((group) => paths.flatMap((path) => prefixesOfPath(group, path)))
  }

  /** Takes out of use what carries one of these tags. */
  async invalidateTags(tags: readonly string[]): Promise<Invalidation> {
    const caches = new Set([this.cache, ...Array.from(this.#inner, (inner) => inner.cache)])
    return together(Array.from(caches, (cache) => cache.invalidateTags(tags)))
  }

  /** Takes out of use what belongs to one of these groups of an origin (RFC 9875, section 3). */
  invalidateGroups(origin: string, groups: readonly string[]): Promise<Invalidation> {
    return this.invalidateTags(this.#groupTags.of(origin, groups))
  }

  #invalidatePrefixes(prefixesIn: (group: string) => readonly string[]): Promise<Invalidation> {
    if (this.#inner.size === 0) return this.cache.invalidatePrefixes(prefixesIn(this.group), IGNORE_CASE)
    const places = new Map<FallbackCache, Set<string>>()
    for (const place of [this, ...this.#inner]) {
      const prefixes = places.get(place.cache) ?? new Set()
      for (const prefix of prefixesIn(place.group)) prefixes.add(prefix)
      places.set(place.cache, prefixes)
    }
    return together(Array.from(places, ([cache, prefixes]) => cache.invalidatePrefixes([...prefixes], IGNORE_CASE)))
  }
}

/** Frameworks route `/Products` and `/products` to one handler. */
const IGNORE_CASE = { ignoreCase: true }

/** Several invalidations as one: durable when all of them are. */
async function together(invalidations: readonly Promise<Invalidation>[]): Promise<Invalidation> {
  const done = await Promise.all(invalidations)
  return { durable: done.every(({ durable }) => durable) }
}
