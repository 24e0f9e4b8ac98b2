/** A cache entry. Immutable, except for `memo`. */
export interface Entry {
  /** When it was stored, in epoch ms. */
  readonly storedAt: number
  /** End of the freshness lifetime, in epoch ms. */
  readonly staleAt: number
  /** The time from which it may not be used even stale, in epoch ms; not before `staleAt`. */
  readonly deleteAt: number
  /** The tags by which `invalidateTags` can match it. */
  readonly tags: readonly string[]
  /** A short text that describes the body; may be `''`. */
  readonly meta: string
  /** The content. Shared by all readers and never modified. */
  readonly body: Buffer
  /** A random id of a large entry: equal ids mean equal bytes, so the bytes need not be compared. */
  readonly id?: string | undefined
  /** The parsed form of `meta`, set by the layer above so that it parses once per entry and not once per hit. */
  memo: unknown
}

/** The content of an entry. */
export type Content = Pick<Entry, 'meta' | 'body'>

/** An entry to be stored. */
export interface NewEntry {
  /** Epoch ms. @defaultValue the time of the call */
  readonly storedAt?: number
  readonly staleAt: number
  readonly deleteAt: number
  readonly tags?: readonly string[]
  readonly meta?: string
  readonly body: Buffer
  readonly id?: string | undefined
}

/**
 * A copy of an entry with some properties changed. Copies by name, because an entry may compute its properties with
 * getters.
 */
export function entryWith(entry: Entry, changes: Partial<Omit<Entry, 'memo'>>): Entry {
  const { storedAt, staleAt, deleteAt, tags, meta, body, id } = entry
  return { storedAt, staleAt, deleteAt, tags, meta, body, id, ...changes, memo: undefined }
}

/**
 * A random id for an entry with this many body bytes; `undefined` for a small entry, whose bytes are easily compared.
 */
export function makeEntryId(bodyBytes: number): string | undefined {
  return bodyBytes < LARGE ? undefined : Math.random().toString(36).slice(2, 14)
}

/** In bytes. For smaller entries, reading the start of the frame first costs more than it saves. */
const LARGE = 8 * 1024

/** Rounds the end of both lifetimes up to whole milliseconds, and limits them to the latest time of a `Date`. */
export function wholeMoments({ staleAt, deleteAt }: NewEntry): { staleAt: number; deleteAt: number } {
  return { staleAt: Math.min(Math.ceil(staleAt), LAST_MOMENT), deleteAt: Math.min(Math.ceil(deleteAt), LAST_MOMENT) }
}

const LAST_MOMENT = 8_640_000_000_000_000

/** The size of each part of an entry, in bytes. */
export interface ByteSizes {
  /** Size of the tags as JSON; 0 if there are none. */
  readonly tags: number
  readonly meta: number
  readonly body: number
}

/** Computes the sizes of the parts of an entry in serialized form. */
export function byteSizes({ tags, meta, body }: Entry): ByteSizes {
  return {
    tags: tags.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(tags)),
    meta: meta === '' ? 0 : Buffer.byteLength(meta),
    body: body.length,
  }
}

/** Parses tags from JSON; `undefined` if the text is not an array of strings. */
export function readTags(text: string): readonly string[] | undefined {
  if (text === '') return NO_TAGS
  try {
    const tags: unknown = JSON.parse(text)
    return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string') ? tags : undefined
  } catch {
    return undefined
  }
}

const NO_TAGS: readonly string[] = Object.freeze([])
