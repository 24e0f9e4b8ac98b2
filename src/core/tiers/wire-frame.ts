import { byteSizes, type Entry, type NewEntry, readTags } from '../entry.js'
import { HIGHEST_POSITION, type Stamp } from '../stamp.js'
import { PackedEntry } from './packed-entry.js'

/** Where and when an entry was stored, as its frame records it. */
export interface FrameOrigin {
  /** The position of the entry in the log. */
  readonly stamp: Stamp
  /** The label of the key the entry was stored under; `undefined` if the frame has none. */
  readonly label?: string | undefined
  /** The id of the tombstone that the entry replaced; `undefined` if the frame names none. */
  readonly after?: string | undefined
}

/** A decoded frame: the entry and its origin. */
export interface Framed extends Required<FrameOrigin> {
  readonly entry: Entry
}

/** The first word of every frame. A later format gets another number, which this version reads as a miss. */
export const FRAME_MAGIC = 'fallback-cache/1'

/** Maximum length of the first line in bytes: the magic, an incarnation, eight numbers. */
const LONGEST_HEAD = 256

/**
 * Encodes an entry as a frame: one readable line, then tags, meta and body unchanged.
 *
 * ```text
 * fallback-cache/1 <incarnation> <position> <storedAt> <staleAt> <deleteAt> <bytes of tags> <of meta> <of body>[ =<label of its key>][ +<tombstone that it came after>][ <id>]\n
 * ["tag"]{"status":200,…}<body>
 * ```
 *
 * `redis-cli GETRANGE key 0 300` shows the metadata of an entry; Lua scripts find the position by a pattern.
 */
export function encodeFrame(entry: NewEntry, storedAt: number, origin: FrameOrigin): Buffer {
  if (entry instanceof PackedEntry) return encodePacked(entry, storedAt, origin)
  const tags = entry.tags === undefined || entry.tags.length === 0 ? '' : JSON.stringify(entry.tags)
  const meta = entry.meta ?? ''
  const tagBytes = Buffer.byteLength(tags)
  const metaBytes = Buffer.byteLength(meta)
  const head = headOf(entry, storedAt, origin, [tagBytes, metaBytes, entry.body.length])
  const frame = Buffer.allocUnsafe(head.length + tagBytes + metaBytes + entry.body.length)
  let at = frame.write(head, 0, 'latin1')
  at += frame.write(tags, at)
  at += frame.write(meta, at)
  entry.body.copy(frame, at)
  return frame
}

/** Encodes a packed entry: its parts have the same layout in memory as in a frame. */
function encodePacked(entry: PackedEntry, storedAt: number, origin: FrameOrigin): Buffer {
  const { tagBytes, metaBytes, bodyBytes, length } = entry
  const head = headOf(entry, storedAt, origin, [tagBytes, metaBytes, bodyBytes])
  const frame = Buffer.allocUnsafe(head.length + length)
  frame.set(entry.bytes, frame.write(head, 0, 'latin1'))
  return frame
}

/** @param sizes - the lengths of tags, meta and body, in bytes */
function headOf(
  { staleAt, deleteAt, id }: NewEntry,
  storedAt: number,
  { stamp: { incarnation, position }, label, after }: FrameOrigin,
  sizes: readonly number[],
): string {
  const end = `${label === undefined ? '' : ` =${label}`}${after === undefined ? '' : ` +${after}`}${id === undefined ? '' : ` ${id}`}\n`
  return `${FRAME_MAGIC} ${incarnation} ${position} ${storedAt} ${staleAt} ${deleteAt} ${sizes.join(' ')}${end}`
}

/**
 * The start of an entry's frame, long enough to tell whether bytes in Redis are this very entry: the first line if it
 * contains an id, otherwise the whole frame, because another entry may have the same timestamps, position and lengths.
 */
export function frameStart(entry: Entry, origin: FrameOrigin): Buffer {
  if (entry.id === undefined) return encodeFrame(entry, entry.storedAt, origin)
  const { tags, meta, body } = byteSizes(entry)
  return Buffer.from(headOf(entry, entry.storedAt, origin, [tags, meta, body]), 'latin1')
}

/**
 * The tombstone that an exact invalidation writes to its key: not an entry, but it defeats a late store with an older
 * position.
 */
export function tombstoneFrame(stamp: Stamp): string {
  return `${FRAME_MAGIC} ${stamp.incarnation} ${stamp.position} 0 0 0 0 0 0\n`
}

/**
 * Whether a frame is a tombstone. A tombstone with an id was written by a request with an unsafe method: it defeats
 * every store that does not name that id, at any position.
 */
export function isTombstone(framed: Framed): boolean {
  return framed.entry.deleteAt === 0
}

/**
 * Decodes a frame; returns `undefined` for foreign bytes, a later format, or a truncated frame.
 *
 * The body is a view of `frame`, not a copy.
 */
export function decodeFrame(frame: Buffer): Framed | undefined {
  const head = decodeHead(frame)
  if (head === undefined || head.tags === undefined) return undefined
  const { metaAt, bodyAt, end, tags, stamp, storedAt, staleAt, deleteAt, label, after, id } = head
  if (frame.length !== end) return undefined
  const meta = bodyAt === metaAt ? '' : frame.toString('utf8', metaAt, bodyAt)
  const body = frame.subarray(bodyAt)
  return { stamp, label, after, entry: { storedAt, staleAt, deleteAt, tags, meta, body, id, memo: undefined } }
}

/** The decoded first line of a frame, and its tags. */
export interface FrameHead {
  readonly stamp: Stamp
  readonly storedAt: number
  readonly staleAt: number
  readonly deleteAt: number
  readonly label: string | undefined
  readonly after: string | undefined
  readonly id: string | undefined
  /** `undefined` if the bytes end before the tags do. */
  readonly tags: readonly string[] | undefined
  /** Offsets at which meta and body start, and at which the frame ends. */
  readonly metaAt: number
  readonly bodyAt: number
  readonly end: number
}

/** Numbers in the first line are plain decimal integers. */
const HEAD_LINE = new RegExp(
  `^${FRAME_MAGIC} ([^ ]+)${' (\\d{1,16})'.repeat(7)}(?: =([0-9a-z~]{1,32}))?(?: \\+([0-9a-z]{1,16}))?(?: ([0-9a-z]{1,16}))?$`,
)

/** Number of bytes of a frame that always contain its whole first line. */
export const HEAD_BYTES = LONGEST_HEAD

/** Decodes the first line of a frame; returns `undefined` if the bytes are not a frame. */
export function decodeHead(bytes: Buffer): FrameHead | undefined {
  const lineEnd = bytes.indexOf(0x0a)
  if (lineEnd < 0 || lineEnd >= LONGEST_HEAD) return undefined
  const words = HEAD_LINE.exec(bytes.toString('latin1', 0, lineEnd))
  const incarnation = words?.[1]
  if (words === null || incarnation === undefined) return undefined
  const position = Number(words[2])
  const storedAt = Number(words[3])
  const staleAt = Number(words[4])
  const deleteAt = Number(words[5])
  const tagBytes = Number(words[6])
  const metaBytes = Number(words[7])
  const bodyBytes = Number(words[8])
  if (deleteAt < staleAt || position > HIGHEST_POSITION) return undefined
  if (Math.max(storedAt, deleteAt, tagBytes, metaBytes, bodyBytes) > Number.MAX_SAFE_INTEGER) return undefined
  const metaAt = lineEnd + 1 + tagBytes
  const bodyAt = metaAt + metaBytes
  const tags = metaAt > bytes.length ? undefined : readTags(bytes.toString('utf8', lineEnd + 1, metaAt))
  return {
    stamp: { incarnation, position },
    storedAt,
    staleAt,
    deleteAt,
    label: words[9],
    after: words[10],
    id: words[11],
    tags,
    metaAt,
    bodyAt,
    end: bodyAt + bodyBytes,
  }
}
