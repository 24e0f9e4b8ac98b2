/** The words of a page, as numbers. */
export interface Words {
  readonly set: ReadonlySet<number>
  /** False if the page has more words than are kept, so that a missing one says nothing. */
  readonly isWhole: boolean
}

/** Words of a page that are kept, and bytes of it that are read. */
const MOST_WORDS = 2_048
export const LONGEST_TEXT = 65_536

/** The words of the beginning of a page: runs of letters, digits and bytes outside of ASCII. */
export function wordsIn(text: Uint8Array, isCut: boolean): Words {
  const set = new Set<number>()
  let hash = START
  for (let at = 0; at <= text.length; at++) {
    const byte = text[at] ?? 0
    if (isInWord(byte)) hash = Math.imul(hash ^ byte, 0x01000193)
    else if (hash !== START) {
      set.add(hash)
      hash = START
      if (set.size >= MOST_WORDS) return { set, isWhole: false }
    }
  }
  return { set, isWhole: !isCut }
}

/** The words of one page that are in another one too. */
export function common(one: ReadonlySet<number>, { set }: Words): ReadonlySet<number> {
  return new Set([...one].filter((word) => set.has(word)))
}

/** Whether a page is known to lack one of some words. */
export function lacksOneOf({ set, isWhole }: Words, words: ReadonlySet<number>): boolean {
  if (!isWhole) return false
  for (const word of words) if (!set.has(word)) return true
  return false
}

/** FNV-1a, 32 bits. */
const START = 0x811c9dc5 | 0

function isInWord(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte >= 128
}
