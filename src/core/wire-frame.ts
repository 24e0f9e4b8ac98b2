import type { Entry, NewEntry } from './entry.js'

/**
 * A place in the shared log of invalidations: everything up to here had been applied by the process that wrote the
 * entry when its handler started. Positions of different incarnations of the log do not compare.
 */
export interface Stamp {
  readonly incarnation: string
  readonly position: number
}

/** What came out of Redis: the entry, and where in the log it stands. */
export interface Framed {
  readonly entry: Entry
  readonly stamp: Stamp
}

/** The first word of every frame. A later format gets another number, and is foreign to this version: a miss. */
export const frameMagic = 'fallback-cache/1'

/** The first line is never longer: the magic, an incarnation, eight numbers. */
const longestHead = 256

/**
 * An entry as bytes: one readable line, then tags, meta and body as they are.
 *
 * ```text
 * fallback-cache/1 <incarnation> <position> <storedAt> <staleAt> <deleteAt> <bytes of tags> <of meta> <of body>\n
 * ["tag"]{"status":200,…}<body>
 * ```
 *
 * `redis-cli GETRANGE key 0 300` shows what it is and how old; Lua finds the position by a pattern.
 */
export function encodeFrame(entry: NewEntry, storedAt: number, stamp: Stamp): Buffer {
  const tags = entry.tags === undefined || entry.tags.length === 0 ? '' : JSON.stringify(entry.tags)
  const meta = entry.meta ?? ''
  const tagBytes = Buffer.byteLength(tags)
  const metaBytes = Buffer.byteLength(meta)
  const head =
    `${frameMagic} ${stamp.incarnation} ${stamp.position} ${storedAt} ${entry.staleAt} ${entry.deleteAt}` +
    ` ${tagBytes} ${metaBytes} ${entry.body.length}\n`
  const frame = Buffer.allocUnsafe(head.length + tagBytes + metaBytes + entry.body.length)
  let at = frame.write(head, 0, 'latin1')
  at += frame.write(tags, at)
  at += frame.write(meta, at)
  entry.body.copy(frame, at)
  return frame
}

/** The mark an exact invalidation leaves at its key: no entry, but a late store with an older position loses to it. */
export function tombstoneFrame(stamp: Stamp): string {
  return `${frameMagic} ${stamp.incarnation} ${stamp.position} 0 0 0 0 0 0\n`
}

/** Whether these bytes are the mark of an exact invalidation. */
export function isTombstone(framed: Framed): boolean {
  return framed.entry.deleteAt === 0
}

/**
 * Reads a frame; `undefined` for bytes of anybody else, a later version, or a truncated frame.
 *
 * The body is a view of `frame`, not a copy.
 */
export function decodeFrame(frame: Buffer): Framed | undefined {
  const end = frame.subarray(0, longestHead).indexOf(0x0a)
  if (end < 0) return undefined
  const words = frame.toString('latin1', 0, end).split(' ')
  const [magic, incarnation, position, storedAt, staleAt, deleteAt, tagBytes, metaBytes, bodyBytes] = words
  if (magic !== frameMagic || words.length !== 9 || incarnation === undefined || incarnation === '') return undefined
  const numbers = [position, storedAt, staleAt, deleteAt, tagBytes, metaBytes, bodyBytes].map(wholeNumber)
  const [at = -1, stored = -1, stale = -1, gone = -1, tagLength = -1, metaLength = -1, bodyLength = -1] = numbers
  if (numbers.includes(-1) || gone < stale) return undefined
  const tagsAt = end + 1
  const metaAt = tagsAt + tagLength
  const bodyAt = metaAt + metaLength
  if (frame.length !== bodyAt + bodyLength) return undefined
  const tags = readTags(frame.toString('utf8', tagsAt, metaAt))
  if (tags === undefined) return undefined
  return {
    stamp: { incarnation, position: at },
    entry: {
      storedAt: stored,
      staleAt: stale,
      deleteAt: gone,
      tags,
      meta: metaLength === 0 ? '' : frame.toString('utf8', metaAt, bodyAt),
      body: frame.subarray(bodyAt),
      memo: undefined,
    },
  }
}

const noTags: readonly string[] = Object.freeze([])

function readTags(text: string): readonly string[] | undefined {
  if (text === '') return noTags
  try {
    const tags: unknown = JSON.parse(text)
    return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string') ? tags : undefined
  } catch {
    return undefined
  }
}

/** -1 for whatever is no plain decimal integer that a double keeps. */
function wholeNumber(word: string | undefined): number {
  if (word === undefined || !/^\d{1,16}$/.test(word)) return -1
  const value = Number(word)
  return Number.isSafeInteger(value) ? value : -1
}
