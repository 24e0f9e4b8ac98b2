import { createHash } from 'node:crypto'
import type { Entry } from '../core/entry.js'
import type { FallbackCache, Found } from '../core/fallback-cache.js'
import type { Mark } from '../core/mark.js'
import type { RequestHead } from './exchange.js'
import type { PrimaryKey } from './primary-key.js'
import type { RecordedHead } from './recorded-response.js'
import { matchesSelecting, selectingValues, variantText } from './selecting.js'
import { headText, markerText, readStored, type StoredHead, StoredResponse } from './stored-response.js'

/** What was found for a request. */
export interface OnShelf {
  /** Where its response lies, or would lie: the primary key, or that of a variant. What a flight is known by. */
  readonly place: string
  readonly found: Found | undefined
  /** The stored response that the request selects; `undefined`: none. */
  readonly stored: StoredResponse | undefined
  /** Whether there are other variants. */
  readonly varies: boolean
}

/** What became of a response that was to be stored. */
export type Kept =
  /** `written`: whether Redis will have it, or there is none. */
  { readonly entry: Entry; readonly written: Promise<boolean> } | { readonly refusal: string }

interface Variants {
  readonly names: readonly string[]
  /** The latest moment until which one of them may be used. */
  readonly deleteAt: number
}

/** The selecting fields of so many primary keys are remembered. */
const MEMORY = 10_000

/** But for keys longer than this: how long a path is, is up to clients. */
const MAX_LENGTH = 1_024

/**
 * Where responses lie in the core: under their primary key, or, when they vary, each under a key of its own with a marker
 * under the primary key that names the selecting fields (RFC 9111, section 4.1).
 */
export class Shelf {
  readonly #cache: FallbackCache
  readonly #variants = new Map<string, Variants>()

  constructor(cache: FallbackCache) {
    this.#cache = cache
  }

  /** Finds the response that a request selects; at once where the core answers at once. */
  find(key: PrimaryKey, request: RequestHead): OnShelf | Promise<OnShelf> {
    const variants = this.#variants.get(key.text)
    if (variants === undefined) return this.#findPrimary(key, request)
    const place = placeOfVariant(key, variants.names, request)
    return this.#then(this.#cache.find(place), (found) => {
      const stored = responseOf(found, key, request)
      if (stored !== undefined) return { place, found, stored, varies: true }
      // Somebody else may know of other selecting fields.
      return this.#findPrimary(key, request)
    })
  }

  keep(
    key: PrimaryKey,
    request: RequestHead,
    recorded: RecordedHead,
    head: StoredHead,
    body: Buffer,
    mark: Mark,
  ): Kept {
    const { receivedAt: storedAt, staleAt, deleteAt, tags } = recorded
    const known = this.#variants.get(key.text)
    const { names, place } = this.#placeToBe(key, request, head.selecting)
    const meta = headText(head)
    const { entry, reason, written } = this.#cache.store(place, { storedAt, staleAt, deleteAt, tags, meta, body }, mark)
    if (entry === undefined) return { refusal: reason ?? 'too-large' }
    if (names.length > 0) {
      const last = Math.max(deleteAt, known?.deleteAt ?? 0)
      this.#remember(key.text, { names, deleteAt: last })
      const text = markerText({ identity: key.identity, selecting: names })
      this.#cache.store(key.text, { storedAt, staleAt: last, deleteAt: last, meta: text, body: NO_BODY }, mark)
    }
    return { entry, written }
  }

  /** Whether something was invalidated since `mark` that covers a response to be kept. */
  isInvalidated(key: PrimaryKey, request: RequestHead, recorded: RecordedHead, mark: Mark): boolean {
    const { place } = this.#placeToBe(key, request, recorded.stored.selecting)
    if (this.#cache.isInvalidated(place, recorded.tags, mark)) return true
    return place !== key.text && this.#cache.isInvalidated(key.text, NO_TAGS, mark)
  }

  #placeToBe(key: PrimaryKey, request: RequestHead, selecting: readonly string[]) {
    const known = this.#variants.get(key.text)
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
        const matches = matchesSelecting(held.selecting, held.values, request.headers)
        if (matches) return { place: key.text, found, stored: held, varies: false }
        return { place: this.#placeFor(key, request), found: undefined, stored: undefined, varies: true }
      }
      return this.#findVariant(key, request, held.selecting, found?.entry.deleteAt ?? 0)
    })
  }

  #findVariant(key: PrimaryKey, request: RequestHead, names: readonly string[], deleteAt: number) {
    this.#remember(key.text, { names, deleteAt })
    const place = placeOfVariant(key, names, request)
    return this.#then(this.#cache.find(place), (found): OnShelf => {
      const stored = responseOf(found, key, request)
      return { place, found: stored && found, stored, varies: true }
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

const NO_BODY = Buffer.alloc(0)
const NO_TAGS: readonly string[] = Object.freeze([])

/** The response that an entry holds, if the request selects it; the hashes of keys are too short to trust. */
function responseOf(found: Found | undefined, key: PrimaryKey, request: RequestHead): StoredResponse | undefined {
  const held = found === undefined ? undefined : readStored(found.entry)
  if (!(held instanceof StoredResponse) || held.identity !== key.identity) return undefined
  return matchesSelecting(held.selecting, held.values, request.headers) ? held : undefined
}

function placeOfVariant(key: PrimaryKey, names: readonly string[], request: RequestHead): string {
  const text = variantText(names, selectingValues(names, request.headers))
  return `${key.text}:${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
}
