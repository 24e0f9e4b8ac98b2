import type { CacheEngine } from '../../core/engine.js'
import type { RequestHead } from '../port/request-head.js'
import type { Target } from '../rules/invalidation.js'
import { pathOf } from '../syntax/target.js'
import type { NoVarySearchIndex } from './no-vary-search-index.js'
import type { PrimaryKey, PrimaryKeys } from './primary-key.js'
import type { Variants } from './variants.js'
import { keysOfMarker } from './variants.js'

/** Finds the storage keys under which one middleware stores responses for a URI. */
export class UriKeys {
  readonly cache: CacheEngine
  readonly #keys: PrimaryKeys
  readonly #variants: Variants
  /** `undefined` if No-Vary-Search is not supported for this route. */
  readonly #searchIndex: NoVarySearchIndex | undefined

  constructor(cache: CacheEngine, keys: PrimaryKeys, variants: Variants, searchIndex: NoVarySearchIndex | undefined) {
    this.cache = cache
    this.#keys = keys
    this.#variants = variants
    this.#searchIndex = searchIndex
  }

  /**
   * Adds the storage keys of a URI to a list, with and without its query, and of the variants that this process knows.
   * Responses for users, for the `key` option and for QUERY have keys derived from these.
   */
  addTo(keys: string[], target: Target): void {
    const bare = pathOf(target.url)
    if (bare !== target.url) this.#addExact(keys, getOf(target, target.url))
    this.#addExact(keys, getOf(target, bare))
  }

  #addExact(keys: string[], request: RequestHead): void {
    const exact = this.#keys.of(request, '')
    if (exact === undefined) return
    this.addVariantsTo(keys, exact.text)
    const rule = this.#searchIndex?.known(this.#keys.ofRule(request, '', undefined))
    const under = rule && this.#keys.under(rule, request, '', undefined)
    if (under !== undefined) this.addVariantsTo(keys, under.text)
  }

  /** The storage keys of a GET for this URI with the values that options add, including the known variants. */
  ofNamed(target: Target, extra: string): readonly string[] {
    const key = this.#keys.of(getOf(target, target.url), extra)
    return this.#withVariants(key)
  }

  /** Adds a storage key to a list, and those of its variants that this process knows. */
  addVariantsTo(keys: string[], text: string): void {
    keys.push(text)
    this.#variants.known.addBeside(keys, text)
  }

  #withVariants(key: Pick<PrimaryKey, 'text'> | undefined): readonly string[] {
    const keys: string[] = []
    if (key !== undefined) this.addVariantsTo(keys, key.text)
    return keys
  }

  /** The storage keys for the stored No-Vary-Search rule of a URI's path, if this process does not know the rule. */
  async ofStoredRule(target: Target): Promise<readonly string[]> {
    const request = getOf(target, target.url)
    const rule = await this.#searchIndex?.stored(this.#keys.ofRule(request, '', undefined))
    const key = rule && this.#keys.under(rule, request, '', undefined)
    return this.#withVariants(key)
  }

  /** Whether {@link ofStoredRule} can find anything. */
  get hasRules(): boolean {
    return this.#searchIndex !== undefined
  }
}

/**
 * Retires keys, and the variants that Redis lists for them. In this process it takes effect before the function
 * returns.
 *
 * @returns a promise that resolves when Redis was told, or will not be for now, and never rejects; `undefined` without
 * Redis
 */
export function retire(cache: CacheEngine, keys: readonly string[]): Promise<void> | undefined {
  return cache.retire(keys)?.then(async (bodiless) => {
    if (bodiless.size === 0) return
    const known = new Set(keys)
    const more = Array.from(bodiless, ([key, entry]) => keysOfMarker(key, entry)).flat()
    await cache.retire(more.filter((key) => !known.has(key)))
  })
}

function getOf({ protocol, host }: Target, url: string): RequestHead {
  return { method: 'GET', protocol, host, url, headers: {} }
}
