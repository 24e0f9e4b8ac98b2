import { type ByteSizes, type Entry, readTags } from '../entry.js'

/** A large Buffer, and what lies in it. */
export interface Slab {
  readonly bytes: Buffer
  /** Where the next entry goes. */
  used: number
  /** The bytes of the entries that are still needed. */
  live: number
  /** The entries; `undefined` where one is no longer needed. */
  readonly entries: (PackedEntry | undefined)[]
}

/**
 * Moments are kept as what they are after it, and after one another: V8 has room for small integers in an object itself, and gives a number as
 * large as an epoch time an object of its own.
 */
const since = Date.now()

/** An entry whose bytes lie in a slab: tags as JSON, meta, body, in this order. */
export class PackedEntry implements Entry {
  memo: unknown = undefined
  /** Where its bytes lie. */
  slab: Slab
  /** Where they begin. */
  at: number
  /** Its place in the slab's list; -1 when it is not there any more. */
  index = -1
  readonly #storedAfter: number
  readonly #staleIn: number
  readonly #deleteIn: number
  readonly tagBytes: number
  readonly metaBytes: number
  readonly bodyBytes: number

  constructor({ storedAt, staleAt, deleteAt }: Entry, slab: Slab, at: number, sizes: ByteSizes) {
    this.#storedAfter = storedAt - since
    this.#staleIn = staleAt - storedAt
    this.#deleteIn = deleteAt - staleAt
    this.slab = slab
    this.at = at
    this.tagBytes = sizes.tags
    this.metaBytes = sizes.meta
    this.bodyBytes = sizes.body
  }

  get storedAt(): number {
    return since + this.#storedAfter
  }

  get staleAt(): number {
    return this.storedAt + this.#staleIn
  }

  get deleteAt(): number {
    return this.staleAt + this.#deleteIn
  }

  /** It is no longer in memory; whoever has it may go on reading it. */
  leave(): void {
    this.index = -1
    // Made of its bytes, it would keep the whole slab.
    this.memo = undefined
  }

  /** Bytes of tags, meta and body. */
  get length(): number {
    return this.tagBytes + this.metaBytes + this.bodyBytes
  }

  get tags(): readonly string[] {
    return readTags(this.slab.bytes.toString('utf8', this.at, this.at + this.tagBytes)) ?? []
  }

  get meta(): string {
    const at = this.at + this.tagBytes
    return this.slab.bytes.toString('utf8', at, at + this.metaBytes)
  }

  get body(): Buffer {
    const at = this.at + this.tagBytes + this.metaBytes
    return this.slab.bytes.subarray(at, at + this.bodyBytes)
  }

  /** Tags as JSON, meta and body, as they lie there. */
  get bytes(): Buffer {
    return this.slab.bytes.subarray(this.at, this.at + this.length)
  }
}
