import { derivedKey } from '../../core/derived-key.js'
import type { CacheEngine } from '../../core/engine.js'
import type { Entry } from '../../core/entry.js'
import type { RunMark } from '../../core/mark.js'
import { MAX_SELECTING } from '../rules/vary.js'
import type { PrimaryKey } from './primary-key.js'
import type { RecordedHead } from './recorded-response.js'
import type { VariantMarker } from './stored-text.js'
import { VariantYield } from './variant-yield.js'

/** What this process knows about the variants of one primary key. */
export interface VariantsOfKey {
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
type Core = Pick<CacheEngine, 'mark' | 'isInvalidated' | 'clock' | 'retire'>

/** The variants that this process knows, by primary key: their selecting fields, their number, and their use. */
export class KnownVariants {
  readonly #cache: Core
  readonly #keys = new Map<string, VariantsOfKey>()

  constructor(cache: Core) {
    this.#cache = cache
  }

  /** A copy over another core; what it learns is discarded with it. */
  copyFor(cache: Core): KnownVariants {
    const copy = new KnownVariants(cache)
    for (const [key, known] of this.#keys) copy.#keys.set(key, known)
    return copy
  }

  get(text: string): VariantsOfKey | undefined {
    return this.#keys.get(text)
  }

  /** Adds the storage keys of the variants of a primary key that this process knows to a list. */
  addBeside(keys: string[], text: string): void {
    const known = this.#keys.get(text)
    if (known === undefined) return
    for (const end of known.counted.keys()) keys.push(derivedKey(text, end))
  }

  /** Notes that a response was stored as one of the variants by these names. Returns the contents of their marker. */
  stored(
    recorded: RecordedHead,
    names: readonly string[],
    storageKey: string,
    mark: RunMark,
  ): Pick<VariantsOfKey, 'deleteAt' | 'counted' | 'tags'> {
    const { key, tags, maxVariants, observed } = recorded
    const known = this.#keys.get(key.text)
    const deleteAt = Math.max(recorded.deleteAt, known?.deleteAt ?? 0)
    const among = this.#countedAmong(key, names, mark)
    const isCounted = maxVariants !== undefined
    const counted = isCounted ? this.#counting(among.counted, storageKey, recorded) : NONE
    const all = isCounted ? [...new Set([...among.tags, ...tags])].slice(0, MAX_TAGS) : NO_TAGS
    const used = known?.used ?? new Set()
    const variantYield = known?.yield ?? new VariantYield()
    if (observed.length > 0 && isCounted && !among.counted.has(endOf(storageKey))) {
      variantYield.store(this.#cache.clock.monotonic())
    }
    const now = this.#cache.mark()
    this.#remember(key.text, { names, deleteAt, counted, used, yield: variantYield, tags: all, mark: now })
    return { deleteAt, counted, tags: all }
  }

  /** Learns the variants that another process has listed in a marker. */
  learn(key: PrimaryKey, { selecting: names, counted }: VariantMarker, entry: Entry | undefined): void {
    const mark = this.#cache.mark()
    const own = this.#countedAmong(key, names, mark)
    this.#remember(key.text, {
      names,
      deleteAt: entry?.deleteAt ?? 0,
      // If two processes store at the same time, the marker contains the variants of only one of them.
      counted: own.counted.size === 0 ? counted : new Map([...own.counted, ...counted]),
      used: this.#keys.get(key.text)?.used ?? new Set(),
      yield: this.#keys.get(key.text)?.yield ?? new VariantYield(),
      tags: [...new Set([...own.tags, ...(entry?.tags ?? [])])].slice(0, MAX_TAGS),
      mark,
    })
  }

  /**
   * Whether a response may be stored as a variant: it has no selecting inputs, or their number stays within the limit.
   */
  hasRoom({ key, maxVariants, stored: { selecting } }: RecordedHead): boolean {
    if (maxVariants === undefined || selecting.length === 0) return true
    const known = this.#keys.get(key.text)?.names
    const more = known === undefined ? selecting : selecting.filter((name) => !known.includes(name))
    return more.length === 0 || (known?.length ?? 0) + more.length <= MAX_SELECTING
  }

  /** Whether the observed inputs have a new value in nearly every run, so that stored variants are not found. */
  isGivenUp({ key, observed }: RecordedHead): boolean {
    if (observed.length === 0) return false
    return this.#keys.get(key.text)?.yield.isGivenUp(this.#cache.clock.monotonic()) === true
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
    const used = this.#keys.get(key.text)?.used
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
  #countedAmong(key: PrimaryKey, names: readonly string[], mark: RunMark): Pick<VariantsOfKey, 'counted' | 'tags'> {
    const known = this.#keys.get(key.text)
    if (known === undefined || known.counted.size === 0 || !isSame(known.names, names)) return NOTHING_COUNTED
    const isInvalidated = (since: RunMark) => this.#cache.isInvalidated(key.text, known.tags, since)
    if (isInvalidated(known.mark) || isInvalidated(mark)) return NOTHING_COUNTED
    const now = this.#cache.clock.now()
    return { counted: new Map([...known.counted].filter(([, deleteAt]) => deleteAt > now)), tags: known.tags }
  }

  #remember(key: string, variants: VariantsOfKey): void {
    if (key.length > MAX_LENGTH) return
    if (this.#keys.size >= MEMORY) this.#keys.clear()
    this.#keys.set(key, variants)
  }
}

/** Notes that a request has found one of the variants of a key. */
export function noteFound(variants: VariantsOfKey, storageKey: string): void {
  if (variants.counted.size === 0) return
  variants.used.add(endOf(storageKey))
  variants.yield.find()
}

export const NO_TAGS: readonly string[] = Object.freeze([])
const NONE: ReadonlyMap<string, number> = new Map()
const NOTHING_COUNTED = { counted: NONE, tags: NO_TAGS }

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, at) => name === other[at])
}

/** The end of a variant's key, which identifies it among the variants of a primary key. */
function endOf(storageKey: string): string {
  return storageKey.slice(-HASH_LENGTH)
}

/** Characters of the hash at the end of a variant's key. */
export const HASH_LENGTH = 12
