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

/** What was found for a request. */
export interface OnShelf {
  /** Where its response lies, or would lie: the primary key, or that of a variant. What a flight is known by. */
  readonly place: string
  readonly found: Found | undefined
  /** The stored response that the request selects; `undefined`: none. */
  readonly stored: StoredResponse | undefined
  /** Whether there are other variants. */
  readonly varies: boolean
  /** What lies there for other requests, where that is known: a response of other selecting values, or where to look for them. */
  readonly other?: StoredResponse | VariantMarker
  /** Whether middleware that has not run yet fills in what selects among them. */
  readonly isUntold?: boolean
}

/** What became of a response that was to be stored. */
export type Kept =
  /** `place`: the key under which it lies; `written`: whether Redis will have it, or there is none. */
  | { readonly place: string; readonly entry: Entry; readonly written: Promise<boolean> }
  | { readonly refusal: Refused | 'too-many-variants' }

/** What is known of the responses that lie side by side under one primary key. */
interface Variants {
  readonly names: readonly string[]
  /** The latest moment until which one of them may be used. */
  readonly deleteAt: number
  /** Until when each of them may be used, by what its key ends with. */
  readonly counted: ReadonlyMap<string, number>
  /** Those of them that were found since the last one had to go. */
  readonly used: Set<string>
  /** Whether they are of use. */
  readonly yield: VariantYield
  /** The tags of those counted: once one of these is invalidated, they are counted anew. */
  readonly tags: readonly string[]
  /** What is invalidated from then on may take them out of use. */
  readonly mark: RunMark
}

/** Of so many tags at most the variants of a key are counted anew. */
const MAX_TAGS = 256

/** The selecting fields of so many primary keys are remembered. */
const MEMORY = 10_000

/** But for keys longer than this: how long a path is, is up to clients. */
const MAX_LENGTH = 1_024

/** What a shelf needs of the core. */
type Core = Pick<CacheEngine, 'find' | 'store' | 'mark' | 'isInvalidated' | 'clock' | 'retire'>

/**
 * Where responses lie in the core: under their primary key, or, when they vary, each under a key of its own with a marker
 * under the primary key that names the selecting fields (RFC 9111, section 4.1).
 */
export class Shelf {
  readonly #cache: Core
  readonly #variants = new Map<string, Variants>()

  constructor(cache: Core) {
    this.#cache = cache
  }

  /** A shelf that looks in another way, and knows what this one knows; what it learns is forgotten with it. */
  lookingBy(find: CacheEngine['find']): Shelf {
    const cache = this.#cache
    const shelf = new Shelf({
      find,
      store: (...args) => cache.store(...args),
      mark: () => cache.mark(),
      isInvalidated: (...args) => cache.isInvalidated(...args),
      clock: cache.clock,
      retire: async () => NOTHING_RETIRED,
    })
    for (const [key, known] of this.#variants) shelf.#variants.set(key, known)
    return shelf
  }

  /** Finds the response that a request selects; at once where the core answers at once. */
  find(key: PrimaryKey, request: RequestHead): OnShelf | Promise<OnShelf> {
    const variants = this.#variants.get(key.text)
    if (variants === undefined) return this.#findPrimary(key, request)
    const place = placeOfVariant(key, variants.names, request)
    if (isUntold(variants.names, request)) return untold(place)
    return this.#then(this.#cache.find(place), (found) => {
      const stored = responseOf(found, key, request)
      if (stored !== undefined) {
        if (variants.counted.size > 0) {
          variants.used.add(endOf(place))
          variants.yield.find()
        }
        return { place, found, stored, varies: true }
      }
      // Somebody else may know of other selecting fields.
      return this.#findPrimary(key, request)
    })
  }

  /** The keys of the variants beside a primary key that are known here. */
  placesBeside(text: string): readonly string[] {
    return Array.from(this.#variants.get(text)?.counted.keys() ?? [], (end) => derivedKey(text, end))
  }

  keep(
    key: PrimaryKey,
    request: RequestHead,
    recorded: RecordedHead,
    head: StoredHead,
    body: Buffer,
    mark: RunMark,
  ): Kept {
    const { receivedAt: storedAt, staleAt, deleteAt, tags } = recorded
    const known = this.#variants.get(key.text)
    const { names, place } = this.#placeToBe(key, request, head.selecting)
    if (!this.hasRoom(key, recorded) || this.isGivenUp(key, recorded)) return { refusal: 'too-many-variants' }
    const meta = headText(head)
    const { entry, reason, written } = this.#cache.store(place, { storedAt, staleAt, deleteAt, tags, meta, body }, mark)
    if (entry === undefined) return { refusal: reason ?? 'too-large' }
    if (names.length > 0) {
      const last = Math.max(deleteAt, known?.deleteAt ?? 0)
      const among = this.#countedAmong(key, names, mark)
      const isCounted = recorded.maxVariants !== undefined
      const counted = isCounted ? this.#counting(key, among.counted, place, recorded) : NONE
      const all = isCounted ? [...new Set([...among.tags, ...tags])].slice(0, MAX_TAGS) : NO_TAGS
      const used = known?.used ?? new Set()
      const variantYield = known?.yield ?? new VariantYield()
      if (recorded.observed.length > 0 && isCounted && !among.counted.has(endOf(place))) {
        variantYield.store(this.#cache.clock.monotonic())
      }
      const now = this.#cache.mark()
      this.#remember(key.text, { names, deleteAt: last, counted, used, yield: variantYield, tags: all, mark: now })
      const text = markerText({ identity: key.identity, selecting: names, counted })
      const marker = { storedAt, staleAt: last, deleteAt: last, tags: all, meta: text, body: NO_BODY }
      this.#cache.store(key.text, marker, mark)
    }
    return { place, entry, written }
  }

  /** Whether something was invalidated since `mark` that covers a response to be kept. */
  isInvalidated(key: PrimaryKey, request: RequestHead, recorded: RecordedHead, mark: RunMark): boolean {
    const { place } = this.#placeToBe(key, request, recorded.stored.selecting)
    if (this.#cache.isInvalidated(place, recorded.tags, mark)) return true
    return place !== key.text && this.#cache.isInvalidated(key.text, NO_TAGS, mark)
  }

  /** Whether a response is no variant, or few enough inputs tell it and those beside it apart. */
  hasRoom(key: PrimaryKey, { maxVariants, stored: { selecting } }: RecordedHead): boolean {
    if (maxVariants === undefined || selecting.length === 0) return true
    const known = this.#variants.get(key.text)?.names
    const more = known === undefined ? selecting : selecting.filter((name) => !known.includes(name))
    return more.length === 0 || (known?.length ?? 0) + more.length <= MAX_SELECTING
  }

  /** Whether the inputs that the cache has seen the handler read have a new value in nearly every run, so that no request finds what is stored. */
  isGivenUp(key: PrimaryKey, { observed }: RecordedHead): boolean {
    if (observed.length === 0) return false
    return this.#variants.get(key.text)?.yield.isGivenUp(this.#cache.clock.monotonic()) === true
  }

  /** The variants with one more. One beyond the bound takes the place of another: the one stored first of those that no request has found of late. */
  #counting(
    key: PrimaryKey,
    others: ReadonlyMap<string, number>,
    place: string,
    { deleteAt, maxVariants = Number.POSITIVE_INFINITY }: RecordedHead,
  ): ReadonlyMap<string, number> {
    const own = endOf(place)
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
   * The variants by these names that may still be used, as far as this process knows. Once something was invalidated that one
   * of them has a tag of, none is counted: too few are better than some that are gone.
   */
  #countedAmong(key: PrimaryKey, names: readonly string[], mark: RunMark): Pick<Variants, 'counted' | 'tags'> {
    const known = this.#variants.get(key.text)
    if (known === undefined || known.counted.size === 0 || !isSame(known.names, names)) return NOTHING_COUNTED
    const isInvalidated = (since: RunMark) => this.#cache.isInvalidated(key.text, known.tags, since)
    if (isInvalidated(known.mark) || isInvalidated(mark)) return NOTHING_COUNTED
    const now = this.#cache.clock.now()
    return { counted: new Map([...known.counted].filter(([, deleteAt]) => deleteAt > now)), tags: known.tags }
  }

  #placeToBe(key: PrimaryKey, request: RequestHead, selecting: readonly string[]) {
    const known = this.#variants.get(key.text)
    if (known === undefined && selecting.length === 0) return { names: selecting, place: key.text }
    const names = [...new Set([...(known?.names ?? []), ...selecting])].sort()
    return { names, place: names.length === 0 ? key.text : placeOfVariant(key, names, request) }
  }

  #findPrimary(key: PrimaryKey, request: RequestHead): OnShelf | Promise<OnShelf> {
    return this.#then(this.#cache.find(key.text), (found) => {
      const held = found === undefined ? undefined : readStored(found.entry)
      if (held === undefined || held.identity !== key.identity) {
        return { place: this.#placeFor(key, request), found: undefined, stored: undefined, varies: false }
      }
      if (held instanceof StoredResponse) {
        const matches = matchesSelecting(held.selecting, held.values, request.headers, request)
        if (matches) return { place: key.text, found, stored: held, varies: false }
        return { place: this.#placeFor(key, request), found: undefined, stored: undefined, varies: true, other: held }
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
      // Of two processes that store at one time, only one has its say in the marker.
      counted: own.counted.size === 0 ? counted : new Map([...own.counted, ...counted]),
      used: this.#variants.get(key.text)?.used ?? new Set(),
      yield: this.#variants.get(key.text)?.yield ?? new VariantYield(),
      tags: [...new Set([...own.tags, ...(entry?.tags ?? [])])].slice(0, MAX_TAGS),
      mark,
    })
    const place = placeOfVariant(key, names, request)
    if (isUntold(names, request)) return untold(place)
    return this.#then(this.#cache.find(place), (found): OnShelf => {
      const stored = responseOf(found, key, request)
      return { place, found: stored && found, stored, varies: true, other: marker }
    })
  }

  #placeFor(key: PrimaryKey, request: RequestHead): string {
    const variants = this.#variants.get(key.text)
    return variants === undefined ? key.text : placeOfVariant(key, variants.names, request)
  }

  #then(
    found: Found | undefined | Promise<Found | undefined>,
    go: (found: Found | undefined) => OnShelf | Promise<OnShelf>,
  ): OnShelf | Promise<OnShelf> {
    return found instanceof Promise ? found.then(go) : go(found)
  }

  #remember(key: string, variants: Variants): void {
    if (key.length > MAX_LENGTH) return
    if (this.#variants.size >= MEMORY) this.#variants.clear()
    this.#variants.set(key, variants)
  }
}

/** The keys of the variants that an entry under a primary key names, if it is a marker. */
export function placesOfMarker(key: string, entry: Entry): readonly string[] {
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

/** What tells a variant's key from those beside it. */
function endOf(place: string): string {
  return place.slice(-HASH_LENGTH)
}

const HASH_LENGTH = 12

/** The response that an entry holds, if the request selects it; the hashes of keys are too short to trust. */
function responseOf(found: Found | undefined, key: PrimaryKey, request: RequestHead): StoredResponse | undefined {
  const held = found === undefined ? undefined : readStored(found.entry)
  if (!(held instanceof StoredResponse) || held.identity !== key.identity) return undefined
  return matchesSelecting(held.selecting, held.values, request.headers, request) ? held : undefined
}

function untold(place: string): OnShelf {
  return { place, found: undefined, stored: undefined, varies: true, isUntold: true }
}

function placeOfVariant(key: PrimaryKey, names: readonly string[], request: RequestHead): string {
  const text = variantText(names, selectingValues(names, request.headers, request))
  return derivedKey(key.text, createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH))
}
