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

/** A cover as one short text: a letter for its kind, then what it names. The form in the log, the journal and Redis. */
export function coverText(cover: Cover): string {
  switch (cover.kind) {
    case 'key':
      return `k${cover.key}`
    case 'prefix':
      return cover.ignoreCase ? `i${foldCase(cover.prefix)}` : `p${cover.prefix}`
    case 'tag':
      return `t${cover.tag}`
    case 'all':
      return 'a'
  }
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
      return tags.includes(cover.tag)
    case 'all':
      return true
  }
}
