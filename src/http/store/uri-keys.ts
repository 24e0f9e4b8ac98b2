import type { CacheEngine } from '../../core/engine.js'
import type { RequestHead } from '../port/exchange.js'
import type { Target } from '../rules/invalidation.js'
import { pathOf } from '../syntax/target.js'
import type { Searches } from './no-vary-search-index.js'
import type { PrimaryKey, PrimaryKeys } from './primary-key.js'
import type { Shelf } from './variants.js'
import { placesOfMarker } from './variants.js'

/** Finds the keys under which one middleware stores responses for a URI. */
export class UriKeys {
  readonly cache: CacheEngine
  readonly #keys: PrimaryKeys
  readonly #shelf: Shelf
  /** `undefined` where No-Vary-Search does not count. */
  readonly #searches: Searches | undefined

  constructor(cache: CacheEngine, keys: PrimaryKeys, shelf: Shelf, searches: Searches | undefined) {
    this.cache = cache
    this.#keys = keys
    this.#shelf = shelf
    this.#searches = searches
  }

  /**
   * The keys of a URI, with its query and without one, and of the variants that this process knows. What is stored for
   * users, for the `key` option and for QUERY has keys derived from these.
   */
  of(target: Target): readonly string[] {
    const bare = pathOf(target.url)
    const urls = bare === target.url ? [bare] : [target.url, bare]
    return urls.flatMap((url) => {
      const request = getOf(target, url)
      const exact = this.#keys.of(request, '')
      if (exact === undefined) return []
      const rule = this.#searches?.known(this.#keys.ofRule(request, '', undefined))
      const under = rule && this.#keys.under(rule, request, '', undefined)
      return [exact, under].flatMap((key) => (key === undefined ? [] : this.withVariants(key)))
    })
  }

  /** The key that a GET for this URI has, with what the options add to it, and those of its variants. */
  ofNamed(target: Target, extra: string): readonly string[] {
    const key = this.#keys.of(getOf(target, target.url), extra)
    return key === undefined ? [] : this.withVariants(key)
  }

  /** A key, and those of the variants beside it that this process knows. */
  withVariants({ text }: Pick<PrimaryKey, 'text'>): readonly string[] {
    return [text, ...this.#shelf.placesBeside(text)]
  }

  /** The keys by the rule of No-Vary-Search that is stored for the path of a URI, when this process does not know it. */
  async ofStoredRule(target: Target): Promise<readonly string[]> {
    const request = getOf(target, target.url)
    const rule = await this.#searches?.stored(this.#keys.ofRule(request, '', undefined))
    const key = rule && this.#keys.under(rule, request, '', undefined)
    return key === undefined ? [] : this.withVariants(key)
  }

  /** Whether {@link ofStoredRule} may find anything. */
  get hasRules(): boolean {
    return this.#searches !== undefined
  }
}

/**
 * Takes keys out of use, and the variants that Redis names beside them. In this process it is done when this returns.
 *
 * Resolves when Redis knows, or will not know for now. Never rejects.
 */
export async function retire(cache: CacheEngine, keys: ReadonlySet<string>): Promise<void> {
  const bodiless = await cache.retire([...keys])
  const more = Array.from(bodiless, ([key, entry]) => placesOfMarker(key, entry)).flat()
  await cache.retire(more.filter((key) => !keys.has(key)))
}

function getOf({ protocol, host }: Target, url: string): RequestHead {
  return { method: 'GET', protocol, host, url, headers: {} }
}
