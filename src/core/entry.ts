/** What is kept under a key. Immutable, but for `memo`. */
export interface Entry {
  /** When it was stored, epoch ms. */
  readonly storedAt: number
  /** End of the freshness lifetime, epoch ms. */
  readonly staleAt: number
  /** From then on it may not be used even stale, epoch ms; never before `staleAt`. */
  readonly deleteAt: number
  /** What `invalidateTags` can name it by. */
  readonly tags: readonly string[]
  /** A short text that describes the body; `''` when there is nothing to say. */
  readonly meta: string
  /** The bytes. Shared by all readers and never changed. */
  readonly body: Buffer
  /** Random, for a large one: where it is found again, the bytes are the same, and need not be looked at. */
  readonly id?: string | undefined
  /** Room for the parsed form of `meta`, so that the layer above parses once per entry and not once per hit. */
  memo: unknown
}

/** What an entry holds. */
export type Content = Pick<Entry, 'meta' | 'body'>

/** An entry about to be stored. */
export interface NewEntry {
  /** Epoch ms; the moment of storing by default. */
  readonly storedAt?: number
  readonly staleAt: number
  readonly deleteAt: number
  readonly tags?: readonly string[]
  readonly meta?: string
  readonly body: Buffer
  readonly id?: string | undefined
}

/** An entry that differs in some things. By name, for an entry may keep its parts elsewhere than in properties. */
export function entryWith(entry: Entry, changes: Partial<Omit<Entry, 'memo'>>): Entry {
  const { storedAt, staleAt, deleteAt, tags, meta, body, id } = entry
  return { storedAt, staleAt, deleteAt, tags, meta, body, id, ...changes, memo: undefined }
}

/** An id for an entry whose body has so many bytes; `undefined`: it is small, and as easily compared. */
export function makeEntryId(bodyBytes: number): string | undefined {
  return bodyBytes < LARGE ? undefined : Math.random().toString(36).slice(2, 14)
}

/** Bytes. Below it, asking for the beginning first costs more than it saves. */
const LARGE = 8 * 1024

/** The end of its lifetimes in whole milliseconds, as they are written down; none is after the last moment of a `Date`. */
export function wholeMoments({ staleAt, deleteAt }: NewEntry): { staleAt: number; deleteAt: number } {
  return { staleAt: Math.min(Math.ceil(staleAt), lastMoment), deleteAt: Math.min(Math.ceil(deleteAt), lastMoment) }
}

const lastMoment = 8_640_000_000_000_000

/** How many bytes each part of an entry takes. */
export interface ByteSizes {
  /** As JSON; 0 when there are none. */
  readonly tags: number
  readonly meta: number
  readonly body: number
}

/** The sizes of what an entry is made of, when it is written down. */
export function byteSizes({ tags, meta, body }: Entry): ByteSizes {
  return {
    tags: tags.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(tags)),
    meta: meta === '' ? 0 : Buffer.byteLength(meta),
    body: body.length,
  }
}

/** Tags out of their JSON; `undefined` when it is none. */
export function readTags(text: string): readonly string[] | undefined {
  if (text === '') return noTags
  try {
    const tags: unknown = JSON.parse(text)
    return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string') ? tags : undefined
  } catch {
    return undefined
  }
}

const noTags: readonly string[] = Object.freeze([])
