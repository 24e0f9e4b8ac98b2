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
   * The storage keys of a URI, with and without its query, and of the variants that this process knows. Responses for
   * users, for the `key` option and for QUERY have keys derived from these.
   */
  of(target: Target): readonly string[] {
    const bare = pathOf(target.url)
    const urls = bare === target.url ? [bare] : [target.url, bare]
    return urls.flatMap((url) => {
      const request = getOf(target, url)
      const exact = this.#keys.of(request, '')
      if (exact === undefined) return []
      const rule = this.#searchIndex?.known(this.#keys.ofRule(request, '', undefined))
      const under = rule && this.#keys.under(rule, request, '', undefined)
      return [exact, under].flatMap((key) => (key === undefined ? [] : this.withVariants(key)))
    })
  }

  /** The storage keys of a GET for this URI with the values that options add, including the known variants. */
  ofNamed(target: Target, extra: string): readonly string[] {
    const key = this.#keys.of(getOf(target, target.url), extra)
    return key === undefined ? [] : this.withVariants(key)
  }

  /** A storage key, and those of its variants that this process knows. */
  withVariants({ text }: Pick<PrimaryKey, 'text'>): readonly string[] {
    return [text, ...this.#variants.known.keysBeside(text)]
  }

  /** The storage keys for the stored No-Vary-Search rule of a URI's path, if this process does not know the rule. */
  async ofStoredRule(target: Target): Promise<readonly string[]> {
    const request = getOf(target, target.url)
    const rule = await this.#searchIndex?.stored(this.#keys.ofRule(request, '', undefined))
    const key = rule && this.#keys.under(rule, request, '', undefined)
    return key === undefined ? [] : this.withVariants(key)
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
 * Resolves when Redis was told, or will not be for now. Never rejects.
 */
export async function retire(cache: CacheEngine, keys: ReadonlySet<string>): Promise<void> {
  const bodiless = await cache.retire([...keys])
  if (bodiless.size === 0) return
  const more = Array.from(bodiless, ([key, entry]) => keysOfMarker(key, entry)).flat()
  await cache.retire(more.filter((key) => !keys.has(key)))
}

function getOf({ protocol, host }: Target, url: string): RequestHead {
  return { method: 'GET', protocol, host, url, headers: {} }
}
