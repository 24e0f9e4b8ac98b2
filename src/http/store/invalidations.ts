import type { FallbackCache, Invalidation } from '../../core/fallback-cache.js'
import { type InvalidateOptions, readInvalidateOptions } from '../../core/invalidate-options.js'
import { together } from '../../core/receipt.js'
import { GroupTags } from '../rules/groups.js'
import { type Invalidate, namedPaths, optionsAmong } from './named-paths.js'
import { prefixesOfPath } from './primary-key.js'
import type { UriKeys } from './uri-keys.js'

/** Invalidates the responses of a route, and of inner middlewares that store in other caches or groups. */
export class Invalidations {
  /** Finds the storage keys for a URI. */
  readonly uriKeys: UriKeys
  readonly cache: FallbackCache
  readonly group: string
  readonly #groupTags = new GroupTags()
  /** Inner middlewares, discovered as requests pass through them. */
  readonly #inner = new Set<Invalidations>()

  /** @param group - the prefix of the keys: `''` or `group:` */
  constructor(cache: FallbackCache, group: string, uriKeys: UriKeys) {
    this.uriKeys = uriKeys
    this.cache = cache
    this.group = group
  }

  /** The middlewares that store responses for the same requests: this one, and the inner ones discovered so far. */
  get allUriKeys(): readonly UriKeys[] {
    return [this.uriKeys, ...Array.from(this.#inner, (inner) => inner.uriKeys)]
  }

  /** Registers an inner middleware that stores elsewhere: invalidations here then apply there too. */
  include(inner: Invalidations): void {
    this.#inner.add(inner)
  }

  /**
   * Invalidates the responses for a path, with all queries and variants, and for all paths below it; without arguments,
   * the whole group.
   */
  readonly invalidate: Invalidate<Invalidation> = async (...args: readonly unknown[]) => {
    const { named, options } = optionsAmong(args)
    const checked = readInvalidateOptions(options, 'invalidate')
    const paths = namedPaths(named)
    if (paths === undefined) return this.#invalidatePrefixes((group) => [group === '' ? '/' : group], checked)
    return this.#invalidatePrefixes((group) => paths.flatMap((path) => prefixesOfPath(group, path)), checked)
  }

  /** Like {@link invalidate}, for several paths at once. @throws TypeError if one of them names no path */
  async invalidatePaths(paths: readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    const checked = readInvalidateOptions(options, 'invalidate')
    const named = paths.flatMap((path) => namedPaths([path]) ?? [])
    return this.#invalidatePrefixes((group) => named.flatMap((path) => prefixesOfPath(group, path)), checked)
  }

  /** Invalidates the responses that have at least one of these tags. */
  async invalidateTags(tags: readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    const caches = new Set([this.cache, ...Array.from(this.#inner, (inner) => inner.cache)])
    return together(await Promise.all(Array.from(caches, (cache) => cache.invalidateTags(tags, options))))
  }

  /** Invalidates the responses that belong to one of these groups of an origin (RFC 9875, section 3). */
  invalidateGroups(origin: string, groups: readonly string[]): Promise<Invalidation> {
    return this.invalidateTags(this.#groupTags.of(origin, groups))
  }

  async #invalidatePrefixes(
    prefixesIn: (group: string) => readonly string[],
    options: InvalidateOptions,
  ): Promise<Invalidation> {
    // Frameworks route `/Products` and `/products` to the same handler.
    const how = { ...options, ignoreCase: true }
    if (this.#inner.size === 0) return this.cache.invalidatePrefixes(prefixesIn(this.group), how)
    const byCache = new Map<FallbackCache, Set<string>>()
    for (const one of [this, ...this.#inner]) {
      const prefixes = byCache.get(one.cache) ?? new Set()
      for (const prefix of prefixesIn(one.group)) prefixes.add(prefix)
      byCache.set(one.cache, prefixes)
    }
    const all = Array.from(byCache, ([cache, prefixes]) => cache.invalidatePrefixes([...prefixes], how))
    return together(await Promise.all(all))
  }
}
