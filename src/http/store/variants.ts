import { createHash } from 'node:crypto'
import { derivedKey } from '../../core/derived-key.js'
import type { CacheEngine } from '../../core/engine.js'
import type { Entry } from '../../core/entry.js'
import type { Refused } from '../../core/entry-store.js'
import type { Found } from '../../core/found.js'
import type { RunMark } from '../../core/mark.js'
import type { RequestHead } from '../port/exchange.js'
import { isUntold, MAX_SELECTING, matchesSelecting, selectingValues, variantText } from '../rules/vary.js'
import type { PrimaryKey } from './primary-key.js'
import type { RecordedHead } from './recorded-response.js'
import { type StoredHead, StoredResponse } from './stored-response.js'
import { headText, markerText, readStored, type VariantMarker } from './stored-text.js'
import { VariantYield } from './variant-yield.js'

/** The result of a lookup for a request. */
export interface FoundVariant {
  /**
   * The storage key of its response, existing or not: the primary key, or that of a variant. Also identifies the
   * handler run that requests wait for.
   */
  readonly storageKey: string
  readonly found: Found | undefined
  /** The stored response that the request selects; `undefined` if there is none. */
  readonly stored: StoredResponse | undefined
  /** Whether there are other variants. */
  readonly varies: boolean
  /** An entry for other requests, if known: a response with other selecting values, or a marker. */
  readonly other?: StoredResponse | VariantMarker
  /** Whether a selecting value is set by middleware that has not run yet. */
  readonly isUntold?: boolean
}

/** The outcome of storing a response. */
export type Kept =
  /** `storageKey`: the key it is stored under; `written`: resolves to whether Redis has it, false without Redis. */
  | { readonly storageKey: string; readonly entry: Entry; readonly written: Promise<boolean> }
  | { readonly refusal: Refused | 'too-many-variants' }

/** The request that a response was made for, and when its handler started, as far as invalidations go. */
export interface RecordedFor {
  readonly request: RequestHead
  readonly mark: RunMark
}

/** What this process knows about the variants of one primary key. */
interface KnownVariants {
  readonly names: readonly string[]
  /** The latest time at which one of them may still be used. */
  readonly deleteAt: number
  /** When each of them expires, by the end of its key. */
  readonly counted: ReadonlyMap<string, number>
  /** Variants that were found since the last one was removed. */
  readonly used: Set<string>
  /** Whether storing them is worthwhile. */
  readonly yield: VariantYield
  /** The tags of the counted variants: an invalidation of one of these resets the count. */
  readonly tags: readonly string[]
  /** Invalidations after this mark may cover the variants. */
  readonly mark: RunMark
}

/** Maximum number of tags per key whose invalidation resets the count of variants. */
const MAX_TAGS = 256

/** Maximum number of primary keys whose selecting fields are remembered. */
const MEMORY = 10_000

/** Longer keys are not remembered, because clients choose the length of a path. */
const MAX_LENGTH = 1_024

/** The methods of the core that are used here. */
type Core = Pick<CacheEngine, 'find' | 'store' | 'mark' | 'isInvalidated' | 'clock' | 'retire'>

/**
 * Stores and finds the responses of a primary key: under the key itself, or, if they vary, each under a key of its own,
 * with a marker under the primary key that lists the selecting fields (RFC 9111, section 4.1).
 */
export class Variants {
  readonly #cache: Core
  readonly #variants = new Map<string, KnownVariants>()

  constructor(cache: Core) {
    this.#cache = cache
  }

  /** A copy with another lookup function that starts with the same knowledge; what it learns is discarded with it. */
  lookingBy(find: CacheEngine['find']): Variants {
    const cache = this.#cache
    const copy = new Variants({
      find,
      store: (...args) => cache.store(...args),
      mark: () => cache.mark(),
      isInvalidated: (...args) => cache.isInvalidated(...args),
      clock: cache.clock,
      retire: async () => NOTHING_RETIRED,
    })
    for (const [key, known] of this.#variants) copy.#variants.set(key, known)
    return copy
  }

  /** Finds the response that a request selects; synchronous if the core answers synchronously. */
  find(key: PrimaryKey, request: RequestHead): FoundVariant | Promise<FoundVariant> {
    const variants = this.#variants.get(key.text)
    if (variants === undefined) return this.#findPrimary(key, request)
    const storageKey = variantKey(key, variants.names, request)
    if (isUntold(variants.names, request)) return untold(storageKey)
    return this.#then(this.#cache.find(storageKey), (found) => {
      const stored = responseOf(found, key, request)
      if (stored !== undefined) {
        if (variants.counted.size > 0) {
          variants.used.add(endOf(storageKey))
          variants.yield.find()
        }
        return { storageKey, found, stored, varies: true }
      }
      // Another process may have stored it under other selecting fields.
      return this.#findPrimary(key, request)
    })
  }

  /** The storage keys of the variants of a primary key that this process knows. */
  keysBeside(text: string): readonly string[] {
    return Array.from(this.#variants.get(text)?.counted.keys() ?? [], (end) => derivedKey(text, end))
  }

  /** Stores a response under its primary key, or beside the variants that are there. */
  keep(recorded: RecordedHead, head: StoredHead, body: Buffer, { request, mark }: RecordedFor): Kept {
    const { key } = recorded
    const { receivedAt: storedAt, staleAt, deleteAt, tags } = recorded
    const known = this.#variants.get(key.text)
    const { names, storageKey } = this.#keyToStore(key, request, head.selecting)
    if (!this.hasRoom(recorded) || this.isGivenUp(recorded)) return { refusal: 'too-many-variants' }
    const meta = headText(head)
    const { entry, reason, written } = this.#cache.store(
      storageKey,
      { storedAt, staleAt, deleteAt, tags, meta, body },
      mark,
    )
    if (entry === undefined) return { refusal: reason ?? 'too-large' }
    if (names.length > 0) {
      const last = Math.max(deleteAt, known?.deleteAt ?? 0)
      const among = this.#countedAmong(key, names, mark)
      const isCounted = recorded.maxVariants !== undefined
      const counted = isCounted ? this.#counting(among.counted, storageKey, recorded) : NONE
      const all = isCounted ? [...new Set([...among.tags, ...tags])].slice(0, MAX_TAGS) : NO_TAGS
      const used = known?.used ?? new Set()
      const variantYield = known?.yield ?? new VariantYield()
      if (recorded.observed.length > 0 && isCounted && !among.counted.has(endOf(storageKey))) {
        variantYield.store(this.#cache.clock.monotonic())
      }
      const now = this.#cache.mark()
      this.#remember(key.text, { names, deleteAt: last, counted, used, yield: variantYield, tags: all, mark: now })
      const text = markerText({ identity: key.identity, selecting: names, counted })
      const marker = { storedAt, staleAt: last, deleteAt: last, tags: all, meta: text, body: NO_BODY }
      this.#cache.store(key.text, marker, mark)
    }
    return { storageKey, entry, written }
  }

  /** Whether an invalidation since `mark` covers a response to be stored. */
  isInvalidated({ key, tags, stored }: RecordedHead, { request, mark }: RecordedFor): boolean {
    const { storageKey } = this.#keyToStore(key, request, stored.selecting)
    if (this.#cache.isInvalidated(storageKey, tags, mark)) return true
    return storageKey !== key.text && this.#cache.isInvalidated(key.text, NO_TAGS, mark)
  }

  /**
   * Whether a response may be stored as a variant: it has no selecting inputs, or their number stays within the limit.
   */
  hasRoom({ key, maxVariants, stored: { selecting } }: RecordedHead): boolean {
    if (maxVariants === undefined || selecting.length === 0) return true
    const known = this.#variants.get(key.text)?.names
    const more = known === undefined ? selecting : selecting.filter((name) => !known.includes(name))
    return more.length === 0 || (known?.length ?? 0) + more.length <= MAX_SELECTING
  }

  /** Whether the observed inputs have a new value in nearly every run, so that stored variants are not found. */
  isGivenUp({ key, observed }: RecordedHead): boolean {
    if (observed.length === 0) return false
    return this.#variants.get(key.text)?.yield.isGivenUp(this.#cache.clock.monotonic()) === true
  }

  /**
   * Adds a variant to the counted ones. Beyond the limit it replaces the oldest variant that no request has found
   * recently.
   */
  #counting(
    others: ReadonlyMap<string, number>,
    storageKey: string,
    { key, deleteAt, maxVariants = Number.POSITIVE_INFINITY }: RecordedHead,
  ): ReadonlyMap<string, number> {
    const own = endOf(storageKey)
    const counted = new Map(others)
    counted.delete(own)
    const used = this.#variants.get(key.text)?.used
    const gone: string[] = []
    while (counted.size >= maxVariants) {
      let victim = [...counted.keys()].find((end) => used?.has(end) !== true)
      if (victim === undefined) {
        used?.clear()
        victim = counted.keys().next().value
      }
      if (victim === undefined) break
      counted.delete(victim)
      gone.push(`${key.text}:${victim}`)
    }
    if (gone.length > 0) void this.#cache.retire(gone)
    return counted.set(own, Math.ceil(deleteAt))
  }

  /**
   * The usable variants by these names that this process knows. None are returned after an invalidation of one of their
   * tags, because counting too few is better than counting removed ones.
   */
  #countedAmong(key: PrimaryKey, names: readonly string[], mark: RunMark): Pick<KnownVariants, 'counted' | 'tags'> {
    const known = this.#variants.get(key.text)
    if (known === undefined || known.counted.size === 0 || !isSame(known.names, names)) return NOTHING_COUNTED
    const isInvalidated = (since: RunMark) => this.#cache.isInvalidated(key.text, known.tags, since)
    if (isInvalidated(known.mark) || isInvalidated(mark)) return NOTHING_COUNTED
    const now = this.#cache.clock.now()
    return { counted: new Map([...known.counted].filter(([, deleteAt]) => deleteAt > now)), tags: known.tags }
  }

  #keyToStore(key: PrimaryKey, request: RequestHead, selecting: readonly string[]) {
    const known = this.#variants.get(key.text)
    if (known === undefined && selecting.length === 0) return { names: selecting, storageKey: key.text }
    const names = [...new Set([...(known?.names ?? []), ...selecting])].sort()
    return { names, storageKey: names.length === 0 ? key.text : variantKey(key, names, request) }
  }

  #findPrimary(key: PrimaryKey, request: RequestHead): FoundVariant | Promise<FoundVariant> {
    return this.#then(this.#cache.find(key.text), (found) => {
      const held = found === undefined ? undefined : readStored(found.entry)
      if (held === undefined || held.identity !== key.identity) {
        return { storageKey: this.#keyFor(key, request), found: undefined, stored: undefined, varies: false }
      }
      if (held instanceof StoredResponse) {
        const matches = matchesSelecting(held.selecting, held.values, request.headers, request)
        if (matches) return { storageKey: key.text, found, stored: held, varies: false }
        return {
          storageKey: this.#keyFor(key, request),
          found: undefined,
          stored: undefined,
          varies: true,
          other: held,
        }
      }
      return this.#findVariant(key, request, held, found?.entry)
    })
  }

  #findVariant(key: PrimaryKey, request: RequestHead, marker: VariantMarker, entry: Entry | undefined) {
    const { selecting: names, counted } = marker
    const mark = this.#cache.mark()
    const own = this.#countedAmong(key, names, mark)
    this.#remember(key.text, {
      names,
      deleteAt: entry?.deleteAt ?? 0,
      // If two processes store at the same time, the marker contains the variants of only one of them.
      counted: own.counted.size === 0 ? counted : new Map([...own.counted, ...counted]),
      used: this.#variants.get(key.text)?.used ?? new Set(),
      yield: this.#variants.get(key.text)?.yield ?? new VariantYield(),
      tags: [...new Set([...own.tags, ...(entry?.tags ?? [])])].slice(0, MAX_TAGS),
      mark,
    })
    const storageKey = variantKey(key, names, request)
    if (isUntold(names, request)) return untold(storageKey)
    return this.#then(this.#cache.find(storageKey), (found): FoundVariant => {
      const stored = responseOf(found, key, request)
      return { storageKey, found: stored && found, stored, varies: true, other: marker }
    })
  }

  #keyFor(key: PrimaryKey, request: RequestHead): string {
    const variants = this.#variants.get(key.text)
    return variants === undefined ? key.text : variantKey(key, variants.names, request)
  }

  #then(
    found: Found | undefined | Promise<Found | undefined>,
    go: (found: Found | undefined) => FoundVariant | Promise<FoundVariant>,
  ): FoundVariant | Promise<FoundVariant> {
    return found instanceof Promise ? found.then(go) : go(found)
  }

  #remember(key: string, variants: KnownVariants): void {
    if (key.length > MAX_LENGTH) return
    if (this.#variants.size >= MEMORY) this.#variants.clear()
    this.#variants.set(key, variants)
  }
}

/** The storage keys of the variants listed in the entry of a primary key, if it is a marker. */
export function keysOfMarker(key: string, entry: Entry): readonly string[] {
  const held = readStored(entry)
  if (held === undefined || held instanceof StoredResponse) return []
  return Array.from(held.counted.keys(), (end) => derivedKey(key, end))
}

const NOTHING_RETIRED: ReadonlyMap<string, Entry> = new Map()
const NO_BODY = Buffer.alloc(0)
const NO_TAGS: readonly string[] = Object.freeze([])
const NONE: ReadonlyMap<string, number> = new Map()
const NOTHING_COUNTED = { counted: NONE, tags: NO_TAGS }

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, at) => name === other[at])
}

/** The end of a variant's key, which identifies it among the variants of a primary key. */
function endOf(storageKey: string): string {
  return storageKey.slice(-HASH_LENGTH)
}

const HASH_LENGTH = 12

/**
 * The response in an entry, if the request selects it. Compares the full identity, because the hash in a key is too
 * short to be unique.
 */
function responseOf(found: Found | undefined, key: PrimaryKey, request: RequestHead): StoredResponse | undefined {
  const held = found === undefined ? undefined : readStored(found.entry)
  if (!(held instanceof StoredResponse) || held.identity !== key.identity) return undefined
  return matchesSelecting(held.selecting, held.values, request.headers, request) ? held : undefined
}

function untold(storageKey: string): FoundVariant {
  return { storageKey, found: undefined, stored: undefined, varies: true, isUntold: true }
}

function variantKey(key: PrimaryKey, names: readonly string[], request: RequestHead): string {
  const text = variantText(names, selectingValues(names, request.headers, request))
  return derivedKey(key.text, createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH))
}
