import type { Invalidated } from '../../core/events.js'
import { engineOf, type FallbackCache, type Invalidation } from '../../core/fallback-cache.js'
import {
  type InvalidateOptions,
  type InvalidateSettings,
  readInvalidateOptions,
} from '../../core/invalidate-options.js'
import { combinedReceipt } from '../../core/receipt.js'
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
  #allUriKeys: readonly UriKeys[]

  /** @param group - the prefix of the keys: `''` or `group:` */
  constructor(cache: FallbackCache, group: string, uriKeys: UriKeys) {
    this.uriKeys = uriKeys
    this.cache = cache
    this.group = group
    this.#allUriKeys = [uriKeys]
  }

  /** The middlewares that store responses for the same requests: this one, and the inner ones discovered so far. */
  get allUriKeys(): readonly UriKeys[] {
    return this.#allUriKeys
  }

  /** Registers an inner middleware that stores elsewhere: invalidations here then apply there too. */
  include(inner: Invalidations): void {
    this.#inner.add(inner)
    this.#allUriKeys = [this.uriKeys, ...Array.from(this.#inner, ({ uriKeys }) => uriKeys)]
  }

  /**
   * Invalidates the responses for a path, with all queries and variants, and for all paths below it; without arguments,
   * the whole group.
   */
  readonly invalidate: Invalidate<Invalidation> = async (...args: readonly unknown[]) => {
    const { named, options } = optionsAmong(args)
    const checked = readInvalidateOptions(options, 'invalidate')
    const paths = namedPaths(named)
    if (paths !== undefined) return this.#invalidateNamed(paths, checked)
    return this.#telling(
      this.#invalidatePrefixes((group) => [group === '' ? '/' : group], checked),
      { all: true, soft: checked.soft },
    )
  }

  /** Like {@link invalidate}, for several paths at once. @throws TypeError if one of them names no path */
  async invalidatePaths(paths: readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    const checked = readInvalidateOptions(options, 'invalidate')
    return this.#invalidateNamed(
      paths.flatMap((path) => namedPaths([path]) ?? []),
      checked,
    )
  }

  /** Invalidates the responses that have at least one of these tags. */
  async invalidateTags(tags: readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    // The cache checks the tags, and emits the event.
    const first = this.cache.invalidateTags(tags, options)
    const { caches } = this
    if (caches.size === 1) return first
    const how = readInvalidateOptions(options, 'invalidateTags')
    const others = Array.from(caches).filter((cache) => cache !== this.cache)
    return combinedReceipt(
      await Promise.all([first, ...others.map((cache) => engineOf(cache).invalidateTags(tags, how))]),
    )
  }

  /** Invalidates the responses that belong to one of these groups of an origin (RFC 9875, section 3). */
  async invalidateGroups(origin: string, groups: readonly string[]): Promise<Invalidation> {
    const tags = this.#groupTags.of(origin, groups)
    const all = Array.from(this.caches, (cache) => engineOf(cache).invalidateTags(tags, HARD))
    return combinedReceipt(await Promise.all(all))
  }

  /** The caches of this middleware and of inner ones. */
  get caches(): ReadonlySet<FallbackCache> {
    return new Set([this.cache, ...Array.from(this.#inner, (inner) => inner.cache)])
  }

  #invalidateNamed(paths: readonly string[], how: InvalidateSettings): Promise<Invalidation> {
    const invalidated = this.#invalidatePrefixes((group) => paths.flatMap((path) => prefixesOfPath(group, path)), how)
    return this.#telling(invalidated, { paths, soft: how.soft })
  }

  #telling(invalidated: Promise<Invalidation>, named: Partial<Invalidated>): Promise<Invalidation> {
    return engineOf(this.cache).telling(invalidated, { ...named, group: this.group.slice(0, -1) })
  }

  /** In any letter case: frameworks route `/Products` and `/products` to the same handler. */
  async #invalidatePrefixes(
    prefixesIn: (group: string) => readonly string[],
    how: InvalidateSettings,
  ): Promise<Invalidation> {
    if (this.#inner.size === 0) return engineOf(this.cache).invalidatePrefixes(prefixesIn(this.group), how)
    const byCache = new Map<FallbackCache, Set<string>>()
    for (const one of [this, ...this.#inner]) {
      const prefixes = byCache.get(one.cache) ?? new Set()
      for (const prefix of prefixesIn(one.group)) prefixes.add(prefix)
      byCache.set(one.cache, prefixes)
    }
    const all = Array.from(byCache, ([cache, prefixes]) => engineOf(cache).invalidatePrefixes([...prefixes], how))
    return combinedReceipt(await Promise.all(all))
  }
}

const HARD: InvalidateSettings = { soft: false, dryRun: false, confirm: false }
