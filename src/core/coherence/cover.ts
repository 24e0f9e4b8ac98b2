import { createHash } from 'node:crypto'

/** Characters of a key or prefix in the log; a longer one is cut there, and covers what begins like it. */
const longestName = 256
/** Bytes of the names in one record of the log. */
const largestRecord = 8_192
/** Covers of one record: fewer than the marks of one page, which has to end beyond all that have one position. */
const mostCovers = 80
/** Characters of a tag; a longer one is replaced by its digest. */
const longestTag = 256

/**
 * What one invalidation covers: a key, every key that starts with a prefix, every entry with a tag, or everything.
 *
 * `ignoreCase` compares the prefix without regard to letter case: web frameworks route `/Products` and `/products` to
 * one handler, so an invalidation by path must reach the entries of both.
 */
export type Cover =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'prefix'; readonly prefix: string; readonly ignoreCase: boolean }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'all' }

/**
 * A cover as one short text: a letter for its kind, then what it names. The form in the log, the journal and Redis.
 *
 * Never longer than 1,025 characters, so that no record is too large to be read in time: a longer key or prefix is cut, and the
 * text covers everything that begins like it.
 */
export function coverText(cover: Cover): string {
  switch (cover.kind) {
    case 'key':
      return cover.key.length > longestName ? `p${beginOf(cover.key)}` : `k${cover.key}`
    case 'prefix':
      return `${cover.ignoreCase ? 'i' : 'p'}${prefixName(cover)}`
    case 'tag':
      return `t${tagName(cover.tag)}`
    case 'all':
      return 'a'
  }
}

/** What a prefix is known by: cut when it is long, and without letter case where that does not count. */
export function prefixName({ prefix, ignoreCase }: Cover & { kind: 'prefix' }): string {
  return beginOf(ignoreCase ? foldCase(prefix) : prefix)
}

/** The covers of one invalidation in several parts, none of which makes a large record. */
export function inParts(covers: readonly Cover[]): readonly (readonly Cover[])[] {
  if (covers.length <= 1) return [covers]
  const parts: Cover[][] = []
  let part: Cover[] = []
  let bytes = 0
  for (const cover of covers) {
    const more = 3 + Buffer.byteLength(coverText(cover))
    if (part.length === mostCovers || (part.length > 0 && bytes + more > largestRecord)) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(cover)
    bytes += more
  }
  return [...parts, part]
}

/** What a tag is known by: itself, or its digest when it is long. */
export function tagName(tag: string): string {
  return tag.length <= longestTag ? tag : `#sha256:${createHash('sha256').update(tag).digest('hex')}`
}

/** A pair of surrogates is not cut in two: half of one has no UTF-8. */
function beginOf(name: string): string {
  if (name.length <= longestName) return name
  const last = name.charCodeAt(longestName - 1)
  return name.slice(0, last >= 0xd800 && last <= 0xdbff ? longestName - 1 : longestName)
}

/** The cover that a text stands for. A kind this version does not know counts as everything: too much, never too little. */
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
    default:
      return { kind: 'all' }
  }
}

/** Letter case taken out, one way for keys and prefixes. */
export function foldCase(text: string): string {
  // The one letter whose lower case depends on what follows: with it a prefix would be none once the text goes on.
  const lower = text.toLowerCase()
  return lower.includes('ς') ? lower.replaceAll('ς', 'σ') : lower
}

/** Whether a cover takes an entry of this key and these tags out of use. */
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
