import type { CacheEngine } from '../../core/engine.js'
import type { Found } from '../../core/found.js'
import type { RunMark } from '../../core/mark.js'
import type { RequestHead } from '../port/exchange.js'
import { parseNoVarySearch, type SearchRule } from '../syntax/no-vary-search.js'
import type { PrimaryKey } from './primary-key.js'
import type { RecordedHead } from './recorded-response.js'
import type { FoundVariant, Variants } from './variants.js'

/** The keys for one request, if responses may declare with No-Vary-Search which queries they answer. */
export interface SearchKeys {
  /** The key for the exact query. */
  readonly exact: PrimaryKey
  /** The key under which the rule of the path is stored, independent of the query. */
  readonly rule: PrimaryKey
  /**
   * The key shared by all queries that are equivalent under a rule; `undefined` if the query must be matched exactly.
   */
  under(rule: SearchRule): PrimaryKey | undefined
}

/** The result of a lookup, with the key it was found under, or would be stored under. */
export interface FoundUnder {
  readonly key: PrimaryKey
  /** The rule of that key; `undefined` if the query was matched exactly. */
  readonly rule: SearchRule | undefined
  readonly found: FoundVariant
}

/** A lookup of one request, with the key determined so far. */
export interface Sought {
  readonly request: RequestHead
  /** `undefined` if No-Vary-Search is not supported for this route. */
  readonly search: SearchKeys | undefined
  key: PrimaryKey
  rule: SearchRule | undefined
}

/**
 * Looks up the variants for a request, and stores the key and rule of the result in `lookup`.
 *
 * @param index - used if responses may have No-Vary-Search
 */
export function findStored(
  lookup: Sought,
  variants: Variants,
  index: NoVarySearchIndex,
): FoundVariant | Promise<FoundVariant> {
  const { search, request } = lookup
  if (search === undefined) return variants.find(lookup.key, request)
  const at = (under: FoundUnder): FoundVariant => {
    lookup.key = under.key
    lookup.rule = under.rule
    return under.found
  }
  const found = index.find(search, request)
  return isPending(found) ? found.then(at) : at(found)
}

/**
 * Maximum number of remembered rules, and maximum length of their keys, because clients choose the length of a path.
 */
const MEMORY = 10_000
const MAX_LENGTH = 1_024

interface KnownRule {
  readonly rule: SearchRule
  /** The latest time at which a response with this rule may still be used. */
  readonly deleteAt: number
}

/** A parsed rule entry: the full identity, and the rule. */
class RuleMarker {
  readonly identity: string
  readonly rule: SearchRule

  constructor(identity: string, rule: SearchRule) {
    this.identity = identity
    this.rule = rule
  }
}

/**
 * Finds responses with No-Vary-Search. Each is stored under the key of the significant part of its query; the rule is
 * stored separately, once per path, and is that of the newest response. Responses stored under a previous rule have
 * another identity, and are no longer found.
 */
export class NoVarySearchIndex {
  readonly #cache: Pick<CacheEngine, 'find' | 'store'>
  readonly #variants: Variants
  readonly #rules = new Map<string, KnownRule>()

  constructor(cache: Pick<CacheEngine, 'find' | 'store'>, variants: Variants) {
    this.#cache = cache
    this.#variants = variants
  }

  /**
   * A copy with another lookup function that starts with the same known rules; rules it learns are discarded with it.
   */
  lookingBy(find: CacheEngine['find'], variants: Variants): NoVarySearchIndex {
    const index = new NoVarySearchIndex({ find, store: (...args) => this.#cache.store(...args) }, variants)
    for (const [key, known] of this.#rules) index.#rules.set(key, known)
    return index
  }

  /**
   * Finds the newest response that a request selects, by its exact query or by the rule of its path. Takes one round
   * trip, unless the rule has changed since the last lookup.
   */
  find(keys: SearchKeys, request: RequestHead): FoundUnder | Promise<FoundUnder> {
    const guess = this.#rules.get(keys.rule.text)?.rule
    const marker = this.#cache.find(keys.rule.text)
    const exact = this.#variants.find(keys.exact, request)
    const guessed = this.#findUnder(guess, keys, request)
    if (isPending(marker) || isPending(exact) || isPending(guessed)) {
      return Promise.all([marker, exact, guessed]).then((all) => this.#choose(keys, request, guess, ...all))
    }
    return this.#choose(keys, request, guess, marker, exact, guessed)
  }

  /** The rule of a path, if this process knows it. */
  known({ text }: PrimaryKey): SearchRule | undefined {
    return this.#rules.get(text)?.rule
  }

  /** The rule of a path from the cache, if this process does not know one. */
  async stored(key: PrimaryKey): Promise<SearchRule | undefined> {
    return this.known(key) === undefined ? ruleIn(await this.#cache.find(key.text), key) : undefined
  }

  /** Stores the rule of a response. */
  keep(keys: SearchKeys, { rule, receivedAt: storedAt, deleteAt }: RecordedHead, mark: RunMark): void {
    if (rule === undefined) return
    const known = this.#rules.get(keys.rule.text)
    const last = Math.max(deleteAt, known?.rule.text === rule.text ? known.deleteAt : 0)
    this.#remember(keys.rule.text, { rule, deleteAt: last })
    const meta = JSON.stringify({ i: keys.rule.identity, q: rule.text })
    this.#cache.store(keys.rule.text, { storedAt, staleAt: last, deleteAt: last, meta, body: NO_BODY }, mark)
  }

  #choose(
    keys: SearchKeys,
    request: RequestHead,
    guess: SearchRule | undefined,
    marker: Found | undefined,
    exact: FoundVariant,
    guessed: FoundUnder | undefined,
  ): FoundUnder | Promise<FoundUnder> {
    const rule = ruleIn(marker, keys.rule)
    const own = { key: keys.exact, rule: undefined, found: exact }
    if (rule === undefined || rule.text === guess?.text) return newer(own, guessed)
    this.#remember(keys.rule.text, { rule, deleteAt: marker?.entry.deleteAt ?? 0 })
    const under = this.#findUnder(rule, keys, request)
    return isPending(under) ? under.then((found) => newer(own, found)) : newer(own, under)
  }

  #findUnder(rule: SearchRule | undefined, keys: SearchKeys, request: RequestHead) {
    const key = rule && keys.under(rule)
    if (key === undefined) return undefined
    const found = this.#variants.find(key, request)
    return isPending(found) ? found.then((one) => ({ key, rule, found: one })) : { key, rule, found }
  }

  #remember(key: string, known: KnownRule): void {
    if (key.length > MAX_LENGTH) return
    if (this.#rules.size >= MEMORY) this.#rules.clear()
    this.#rules.set(key, known)
  }
}

const NO_BODY = Buffer.alloc(0)

/**
 * The more recent of two suitable responses (RFC 9111, section 4); if there is none, the key that matches more queries.
 */
function newer(exact: FoundUnder, other: FoundUnder | undefined): FoundUnder {
  if (other === undefined) return exact
  const { stored } = exact.found
  if (stored === undefined) return other
  return other.found.stored !== undefined && other.found.stored.receivedAt >= stored.receivedAt ? other : exact
}

/** The rule in an entry, if it belongs to this path. Parsed once per entry. */
function ruleIn(found: Found | undefined, { identity }: PrimaryKey): SearchRule | undefined {
  if (found === undefined) return undefined
  const { entry } = found
  if (!(entry.memo instanceof RuleMarker)) entry.memo = parseMarker(entry.meta)
  return entry.memo instanceof RuleMarker && entry.memo.identity === identity ? entry.memo.rule : undefined
}

function parseMarker(text: string): RuleMarker | undefined {
  try {
    const { i: identity, q: value } = JSON.parse(text) as Record<string, unknown>
    const rule = typeof value === 'string' ? parseNoVarySearch(value) : undefined
    return typeof identity === 'string' && rule !== undefined ? new RuleMarker(identity, rule) : undefined
  } catch {
    return undefined
  }
}

function isPending<T>(found: T | Promise<T>): found is Promise<T> {
  return found instanceof Promise
}
