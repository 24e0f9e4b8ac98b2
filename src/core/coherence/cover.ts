import { createHash } from 'node:crypto'

/** Maximum length of a key in the log, in characters; longer ones are truncated to a prefix. */
const LONGEST_KEY = 256
/**
 * Maximum size of a prefix or tag in the log, in bytes of UTF-8, so that all marks arrive in time at a new process. Longer
 * prefixes are truncated, longer tags are replaced by their digest.
 */
const LONGEST_NAME = 256
/** Maximum size of a character of a string in UTF-8, in bytes. */
const WIDEST_CHARACTER = 3
/** Maximum size of the names in one log record, in bytes. */
const LARGEST_RECORD = 8_192
/**
 * Maximum number of covers per record: fewer than the marks of one page, so that a page ends after all marks with the
 * same position.
 */
const MOST_COVERS = 80

/**
 * The set of entries that one invalidation covers: those with a key, with keys that start with a prefix, with a tag, or
 * all.
 *
 * `ignoreCase` compares the prefix without regard to letter case: web frameworks route `/Products` and `/products` to
 * the same handler, so an invalidation by path must cover the entries of both.
 *
 * `soft` makes the entries stale instead of invalid: they are used while they are made again.
 */
export type Cover =
  | { readonly kind: 'key'; readonly key: string; readonly soft?: undefined }
  | { readonly kind: 'prefix'; readonly prefix: string; readonly ignoreCase: boolean; readonly soft?: boolean }
  | { readonly kind: 'tag'; readonly tag: string; readonly soft?: boolean }
  | { readonly kind: 'all'; readonly soft?: boolean }

/**
 * Formats a cover as text for the log, the journal and Redis: a letter for its kind, followed by the name; before it
 * `s` if it is soft.
 *
 * A longer key or prefix is truncated, so that every record can be read in time, and then covers everything that begins
 * with the truncated text.
 */
export function coverText(cover: Cover): string {
  return cover.soft === true ? `s${hardText(cover)}` : hardText(cover)
}

/** The text of the hard invalidation that covers the same entries. */
export function hardText(cover: Cover): string {
  switch (cover.kind) {
    case 'key':
      return cover.key.length > LONGEST_KEY ? `p${beginOf(cover.key)}` : `k${cover.key}`
    case 'prefix':
      return `${cover.ignoreCase ? 'i' : 'p'}${prefixName(cover)}`
    case 'tag':
      return `t${tagName(cover.tag)}`
    case 'all':
      return 'a'
  }
}

/** The name of a prefix: truncated if it is long, and in lower case if letter case is ignored. */
export function prefixName({ prefix, ignoreCase }: Cover & { kind: 'prefix' }): string {
  return beginOf(ignoreCase ? foldCase(prefix) : prefix)
}

/** Splits the covers of one invalidation into parts that each fit a record of limited size. */
export function inParts(covers: readonly Cover[]): readonly (readonly Cover[])[] {
  const parts: Cover[][] = []
  let part: Cover[] = []
  let room = new RecordRoom()
  for (const cover of covers) {
    if (!room.takes([cover])) {
      parts.push(part)
      part = []
      room = new RecordRoom()
      room.takes([cover])
    }
    part.push(cover)
  }
  return [...parts, part]
}

/** The room for covers in one record of the log. */
export class RecordRoom {
  #count = 0
  #bytes = 0

  /** Takes covers if there is room for all of them; returns whether there was. Any first cover fits. */
  takes(covers: readonly Cover[]): boolean {
    const count = this.#count + covers.length
    let bytes = this.#bytes
    for (const cover of covers) bytes += 1 + Buffer.byteLength(JSON.stringify(coverText(cover)))
    if (this.#count > 0 && (count > MOST_COVERS || bytes > LARGEST_RECORD)) return false
    this.#count = count
    this.#bytes = bytes
    return true
  }
}

/** The name of a tag: the tag itself, or its digest if it is long. */
export function tagName(tag: string): string {
  return isShort(tag) || Buffer.byteLength(tag) <= LONGEST_NAME
    ? tag
    : `#sha256:${createHash('sha256').update(tag).digest('hex')}`
}

/** Truncates a name to whole characters. */
function beginOf(name: string): string {
  return isShort(name) ? name : name.slice(0, encoder.encodeInto(name, truncated).read)
}

function isShort(name: string): boolean {
  return name.length * WIDEST_CHARACTER <= LONGEST_NAME
}

const encoder = new TextEncoder()
const truncated = new Uint8Array(LONGEST_NAME)

/**
 * Parses a cover from text. An unknown kind, from a later version, covers everything: too much rather than too little.
 */
export function parseCover(text: string): Cover {
  const rest = text.slice(1)
  switch (text[0]) {
    case 'k':
      return { kind: 'key', key: rest }
    case 'p':
      return { kind: 'prefix', prefix: rest, ignoreCase: false }
    case 'i':
      return { kind: 'prefix', prefix: rest, ignoreCase: true }
    case 't':
      return { kind: 'tag', tag: rest }
    case 's':
      return rest.startsWith('s') ? { kind: 'all' } : softened(parseCover(rest))
    default:
      return { kind: 'all' }
  }
}

/** Makes a cover soft; one of a key, which only a later version can have written, stays hard. */
function softened(cover: Cover): Cover {
  return cover.kind === 'key' ? cover : { ...cover, soft: true }
}

/** Removes differences in letter case, in the same way for keys and prefixes. */
export function foldCase(text: string): string {
  // The lower case of Σ depends on the following character, so a prefix could stop matching when the text continues.
  const lower = text.toLowerCase()
  return lower.includes('ς') ? lower.replaceAll('ς', 'σ') : lower
}

/** Whether an entry with this key and these tags is among those that a cover names. */
export function isCovered(cover: Cover, key: string, tags: readonly string[]): boolean {
  switch (cover.kind) {
    case 'key':
      return cover.key === key
    case 'prefix':
      return cover.ignoreCase ? foldCase(key).startsWith(foldCase(cover.prefix)) : key.startsWith(cover.prefix)
    case 'tag':
      return tags.some((tag) => tagName(tag) === tagName(cover.tag))
    case 'all':
      return true
  }
}
