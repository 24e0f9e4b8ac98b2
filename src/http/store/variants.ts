import { createHash } from 'node:crypto'
import { derivedKey } from '../../core/derived-key.js'
import type { CacheEngine } from '../../core/engine.js'
import type { Entry } from '../../core/entry.js'
import type { Found } from '../../core/found.js'
import type { RunMark } from '../../core/mark.js'
import type { Refused } from '../../core/two-tier-writer.js'
import type { RequestHead } from '../port/request-head.js'
import { isUntold, matchesSelecting, selectingValues, variantText } from '../rules/vary.js'
import { HASH_LENGTH, KnownVariants, NO_TAGS, noteFound } from './known-variants.js'
import type { PrimaryKey } from './primary-key.js'
import type { RecordedHead } from './recorded-response.js'
import type { StoredHead } from './stored-head.js'
import { StoredResponse } from './stored-response.js'
import { headText, markerText, readStored, type VariantMarker } from './stored-text.js'

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

/** The methods of the core that are used here. */
type Core = Pick<CacheEngine, 'find' | 'store' | 'mark' | 'isInvalidated' | 'clock' | 'retire'>

/**
 * Stores and finds the responses of a primary key: under the key itself, or, if they vary, each under a key of its own,
 * with a marker under the primary key that lists the selecting fields (RFC 9111, section 4.1).
 */
export class Variants {
  readonly #cache: Core
  /** What this process knows of them. */
  readonly known: KnownVariants

  constructor(cache: Core, known = new KnownVariants(cache)) {
    this.#cache = cache
    this.known = known
  }

  /** A copy with another lookup function that starts with the same knowledge; what it learns is discarded with it. */
  lookingBy(find: CacheEngine['find']): Variants {
    const cache = this.#cache
    const copied: Core = {
      find,
      store: (...args) => cache.store(...args),
      mark: () => cache.mark(),
      isInvalidated: (...args) => cache.isInvalidated(...args),
      clock: cache.clock,
      retire: async () => NOTHING_RETIRED,
    }
    return new Variants(copied, this.known.copyFor(copied))
  }

  /** Finds the response that a request selects; synchronous if the core answers synchronously. */
  find(key: PrimaryKey, request: RequestHead): FoundVariant | Promise<FoundVariant> {
    const variants = this.known.get(key.text)
    if (variants === undefined) return this.#findPrimary(key, request)
    const storageKey = variantKey(key, variants.names, request)
    if (isUntold(variants.names, request)) return untold(storageKey)
    return this.#then(this.#cache.find(storageKey), (found) => {
      const stored = responseOf(found, key, request)
      if (stored !== undefined) {
        noteFound(variants, storageKey)
        return { storageKey, found, stored, varies: true }
      }
      // Another process may have stored it under other selecting fields.
      return this.#findPrimary(key, request)
    })
  }

  /** Stores a response under its primary key, or beside the variants that are there. */
  keep(recorded: RecordedHead, head: StoredHead, body: Buffer, { request, mark }: RecordedFor): Kept {
    const { key } = recorded
    const { receivedAt: storedAt, staleAt, deleteAt, tags } = recorded
    const { names, storageKey } = this.#keyToStore(key, request, head.selecting)
    if (!this.known.hasRoom(recorded) || this.known.isGivenUp(recorded)) return { refusal: 'too-many-variants' }
    const meta = headText(head)
    const { entry, reason, written } = this.#cache.store(
      storageKey,
      { storedAt, staleAt, deleteAt, tags, meta, body },
      mark,
    )
    if (entry === undefined) return { refusal: reason ?? 'too-large' }
    if (names.length > 0) {
      const { deleteAt: last, counted, tags: all } = this.known.stored(recorded, names, storageKey, mark)
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

  #keyToStore(key: PrimaryKey, request: RequestHead, selecting: readonly string[]) {
    const known = this.known.get(key.text)
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
        if (isSelectedBy(request, held)) return { storageKey: key.text, found, stored: held, varies: false }
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
    const { selecting: names } = marker
    this.known.learn(key, marker, entry)
    const storageKey = variantKey(key, names, request)
    if (isUntold(names, request)) return untold(storageKey)
    return this.#then(this.#cache.find(storageKey), (found): FoundVariant => {
      const stored = responseOf(found, key, request)
      return { storageKey, found: stored && found, stored, varies: true, other: marker }
    })
  }

  #keyFor(key: PrimaryKey, request: RequestHead): string {
    const variants = this.known.get(key.text)
    return variants === undefined ? key.text : variantKey(key, variants.names, request)
  }

  #then(
    found: Found | undefined | Promise<Found | undefined>,
    go: (found: Found | undefined) => FoundVariant | Promise<FoundVariant>,
  ): FoundVariant | Promise<FoundVariant> {
    return found instanceof Promise ? found.then(go) : go(found)
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
/**
 * The response in an entry, if the request selects it. Compares the full identity, because the hash in a key is too
 * short to be unique.
 */
function responseOf(found: Found | undefined, key: PrimaryKey, request: RequestHead): StoredResponse | undefined {
  const held = found === undefined ? undefined : readStored(found.entry)
  if (!(held instanceof StoredResponse) || held.identity !== key.identity) return undefined
  return isSelectedBy(request, held) ? held : undefined
}

function isSelectedBy(request: RequestHead, { selecting, values }: StoredResponse): boolean {
  // In front of a framework, Node.js has not made the fields yet, and most responses are for all requests.
  return selecting.length === 0 || matchesSelecting(selecting, values, request.headers, request)
}

function untold(storageKey: string): FoundVariant {
  return { storageKey, found: undefined, stored: undefined, varies: true, isUntold: true }
}

function variantKey(key: PrimaryKey, names: readonly string[], request: RequestHead): string {
  const text = variantText(names, selectingValues(names, request.headers, request))
  return derivedKey(key.text, createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH))
}
