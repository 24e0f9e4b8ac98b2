import type { CacheEngine } from '../../core/engine.js'
import type { Found } from '../../core/found.js'
import type { RunMark } from '../../core/mark.js'
import type { RequestHead } from '../port/request-head.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { parseNoVarySearch, type SearchRule } from '../syntax/no-vary-search.js'
import type { KeyedRequest, PrimaryKey, PrimaryKeys } from './primary-key.js'
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

/** The keys for a request whose key for the exact query is known. */
export function searchKeys(
  keys: PrimaryKeys,
  exact: PrimaryKey,
  { request, extra, content }: KeyedRequest,
): SearchKeys {
  return {
    exact,
    rule: keys.ofRule(request, extra, content),
    under: (rule) => keys.under(rule, request, extra, content),
  }
}

/** The key under which a response is stored: by the rule that it states, or by its exact query. */
export function keyByRule(search: SearchKeys, deciding: Fields): PrimaryKey {
  const rule = parseNoVarySearch(fieldValue(deciding, 'no-vary-search'))
  return (rule && search.under(rule)) ?? search.exact
}

/** The result of a lookup, with the key it was found under, or would be stored under. */
export interface FoundUnder {
  readonly key: PrimaryKey
  readonly found: FoundVariant
}

/**
 * Maximum number of remembered rules, and maximum length of their keys, because clients choose the length of a path.
 */
const MEMORY = 10_000
const MAX_LENGTH = 1_024

/** What is looked up, and the rule that its path had last time. */
interface Guess {
  readonly keys: SearchKeys
  readonly request: RequestHead
  readonly guess: SearchRule | undefined
}

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
    const by: Guess = { keys, request, guess }
    if (isPending(marker) || isPending(exact) || isPending(guessed)) {
      return Promise.all([marker, exact, guessed]).then((all) => this.#choose(by, ...all))
    }
    return this.#choose(by, marker, exact, guessed)
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
  keep(keys: SearchKeys, { key: { rule }, receivedAt: storedAt, deleteAt }: RecordedHead, mark: RunMark): void {
    if (rule === undefined) return
    const known = this.#rules.get(keys.rule.text)
    const last = Math.max(deleteAt, known?.rule.text === rule.text ? known.deleteAt : 0)
    this.#remember(keys.rule.text, { rule, deleteAt: last })
    const meta = JSON.stringify({ i: keys.rule.identity, q: rule.text })
    this.#cache.store(keys.rule.text, { storedAt, staleAt: last, deleteAt: last, meta, body: NO_BODY }, mark)
  }

  #choose(
    { keys, request, guess }: Guess,
    marker: Found | undefined,
    exact: FoundVariant,
    guessed: FoundUnder | undefined,
  ): FoundUnder | Promise<FoundUnder> {
    const rule = ruleIn(marker, keys.rule)
    const own = { key: keys.exact, found: exact }
    if (rule === undefined || rule.text === guess?.text) return newer(own, guessed)
    this.#remember(keys.rule.text, { rule, deleteAt: marker?.entry.deleteAt ?? 0 })
    const under = this.#findUnder(rule, keys, request)
    return isPending(under) ? under.then((found) => newer(own, found)) : newer(own, under)
  }

  #findUnder(rule: SearchRule | undefined, keys: SearchKeys, request: RequestHead) {
    const key = rule && keys.under(rule)
    if (key === undefined) return undefined
    const found = this.#variants.find(key, request)
    return isPending(found) ? found.then((one) => ({ key, found: one })) : { key, found }
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
