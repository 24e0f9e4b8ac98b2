import type { CacheEngine } from '../../core/engine.js'
import type { Found } from '../../core/found.js'
import type { RunMark } from '../../core/mark.js'
import type { RequestHead } from '../port/exchange.js'
import { parseNoVarySearch, type SearchRule } from '../syntax/no-vary-search.js'
import type { PrimaryKey } from './primary-key.js'
import type { RecordedHead } from './recorded-response.js'
import type { OnShelf, Shelf } from './variants.js'

/** The keys under which the response to one request may lie, where a response may say which queries it is for. */
export interface SearchKeys {
  /** Of the query as it stands. */
  readonly exact: PrimaryKey
  /** Of the rule of its path: where the rule is kept, whatever the query. */
  readonly rule: PrimaryKey
  /** Of all queries that are the same by a rule; `undefined` when the query counts as it stands. */
  under(rule: SearchRule): PrimaryKey | undefined
}

/** What was found, and under which key: or under which one the response would lie. */
export interface OnShelfUnder {
  readonly key: PrimaryKey
  /** The rule of that key; `undefined`: the query counts as it stands. */
  readonly rule: SearchRule | undefined
  readonly shelf: OnShelf
}

/** One request that asks for a stored response, as far as it is known where that lies. */
export interface Sought {
  readonly request: RequestHead
  /** `undefined` where No-Vary-Search does not count. */
  readonly search: SearchKeys | undefined
  key: PrimaryKey
  rule: SearchRule | undefined
}

/**
 * What lies on the shelf for a request, which knows afterwards under which key.
 *
 * @param searches - asked where a response may say which queries it is for
 */
export function onShelfFor(lookup: Sought, shelf: Shelf, searches: Searches): OnShelf | Promise<OnShelf> {
  const { search, request } = lookup
  if (search === undefined) return shelf.find(lookup.key, request)
  const at = (under: OnShelfUnder): OnShelf => {
    lookup.key = under.key
    lookup.rule = under.rule
    return under.shelf
  }
  const found = searches.find(search, request)
  return isPending(found) ? found.then(at) : at(found)
}

/** So many rules are remembered, but for keys longer than this: how long a path is, is up to clients. */
const MEMORY = 10_000
const MAX_LENGTH = 1_024

interface KnownRule {
  readonly rule: SearchRule
  /** The latest moment until which a response by it may be used. */
  readonly deleteAt: number
}

/** What is kept of a rule: full identity, and the rule. */
class RuleMarker {
  readonly identity: string
  readonly rule: SearchRule

  constructor(identity: string, rule: SearchRule) {
    this.identity = identity
    this.rule = rule
  }
}

/**
 * Finds responses that say by No-Vary-Search which queries they are for. Each lies under the key of what of its query matters;
 * the rule that says what that is lies beside them, once for a path: the one of the newest response. What is stored by
 * another rule has another identity, and is not found any more.
 */
export class Searches {
  readonly #cache: Pick<CacheEngine, 'find' | 'store'>
  readonly #shelf: Shelf
  readonly #rules = new Map<string, KnownRule>()

  constructor(cache: Pick<CacheEngine, 'find' | 'store'>, shelf: Shelf) {
    this.#cache = cache
    this.#shelf = shelf
  }

  /** Searches that look in another way, and know the rules that these know; what they learn is forgotten with them. */
  lookingBy(find: CacheEngine['find'], shelf: Shelf): Searches {
    const searches = new Searches({ find, store: (...args) => this.#cache.store(...args) }, shelf)
    for (const [key, known] of this.#rules) searches.#rules.set(key, known)
    return searches
  }

  /** The newest response that a request selects, by its own query or by the rule of its path. All is read in one round trip, unless the rule is another one than last time. */
  find(keys: SearchKeys, request: RequestHead): OnShelfUnder | Promise<OnShelfUnder> {
    const guess = this.#rules.get(keys.rule.text)?.rule
    const marker = this.#cache.find(keys.rule.text)
    const exact = this.#shelf.find(keys.exact, request)
    const guessed = this.#findUnder(guess, keys, request)
    if (isPending(marker) || isPending(exact) || isPending(guessed)) {
      return Promise.all([marker, exact, guessed]).then((all) => this.#choose(keys, request, guess, ...all))
    }
    return this.#choose(keys, request, guess, marker, exact, guessed)
  }

  /** The rule of a path, as far as this process knows it. */
  known({ text }: PrimaryKey): SearchRule | undefined {
    return this.#rules.get(text)?.rule
  }

  /** The rule of a path that is stored, when this process does not know one. */
  async stored(key: PrimaryKey): Promise<SearchRule | undefined> {
    return this.known(key) === undefined ? ruleIn(await this.#cache.find(key.text), key) : undefined
  }

  /** Keeps the rule of a response beside it. */
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
    exact: OnShelf,
    guessed: OnShelfUnder | undefined,
  ): OnShelfUnder | Promise<OnShelfUnder> {
    const rule = ruleIn(marker, keys.rule)
    const own = { key: keys.exact, rule: undefined, shelf: exact }
    if (rule === undefined || rule.text === guess?.text) return newer(own, guessed)
    this.#remember(keys.rule.text, { rule, deleteAt: marker?.entry.deleteAt ?? 0 })
    const under = this.#findUnder(rule, keys, request)
    return isPending(under) ? under.then((found) => newer(own, found)) : newer(own, under)
  }

  #findUnder(rule: SearchRule | undefined, keys: SearchKeys, request: RequestHead) {
    const key = rule && keys.under(rule)
    if (key === undefined) return undefined
    const shelf = this.#shelf.find(key, request)
    return isPending(shelf) ? shelf.then((found) => ({ key, rule, shelf: found })) : { key, rule, shelf }
  }

  #remember(key: string, known: KnownRule): void {
    if (key.length > MAX_LENGTH) return
    if (this.#rules.size >= MEMORY) this.#rules.clear()
    this.#rules.set(key, known)
  }
}

const NO_BODY = Buffer.alloc(0)

/** The most recent of two suitable responses (RFC 9111, section 4); when there is none, the key that serves more queries. */
function newer(exact: OnShelfUnder, other: OnShelfUnder | undefined): OnShelfUnder {
  if (other === undefined) return exact
  const { stored } = exact.shelf
  if (stored === undefined) return other
  return other.shelf.stored !== undefined && other.shelf.stored.receivedAt >= stored.receivedAt ? other : exact
}

/** The rule that an entry holds, if it is that of this path. Parsed once an entry. */
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
