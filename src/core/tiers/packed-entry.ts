import { type ByteSizes, type Entry, readTags } from '../entry.js'

/** A large Buffer shared by many small entries. */
export interface Slab {
  readonly bytes: Buffer
  /** Offset at which the next entry is written, in bytes. */
  used: number
  /** Bytes of the entries that are still in use. */
  live: number
  /** The entries by index; `undefined` for an entry that was freed. */
  readonly entries: (PackedEntry | undefined)[]
}

/**
 * Base for timestamps. Timestamps are stored as deltas that fit V8's small integers; an epoch time in ms would need a
 * heap number of its own.
 */
const since = Date.now()

/** An entry whose content is in a slab: tags as JSON, then meta, then body. */
export class PackedEntry implements Entry {
  memo: unknown = undefined
  /** The slab that holds its content. */
  slab: Slab
  /** Offset of its content in the slab, in bytes. */
  at: number
  /** Its index in the slab's list of entries; -1 after it left memory. */
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

  /** Marks the entry as removed from memory; references to it stay readable. */
  leave(): void {
    this.index = -1
    // A memo may contain views of the slab, and would keep the whole slab alive.
    this.memo = undefined
  }

  /** Size of tags, meta and body, in bytes. */
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

  /** The content as stored: tags as JSON, then meta, then body. */
  get bytes(): Buffer {
    return this.slab.bytes.subarray(this.at, this.at + this.length)
  }
}
