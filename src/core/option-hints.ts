/** The properties of an option that hints use. */
export interface KnownOption {
  /** Its names in other caches and clients, separated by spaces. */
  readonly otherNames?: string
}

/**
 * The known option that an unknown name probably means: a synonym, a name with few edits, or a name that contains it.
 * `undefined` if none is similar enough.
 */
export function meantOption(name: string, known: Readonly<Record<string, KnownOption>>): string | undefined {
  const lower = name.toLowerCase()
  const names = Object.keys(known)
  return names.find((one) => isCalled(lower, known[one])) ?? nearest(lower, names)
}

function isCalled(lower: string, option: KnownOption | undefined): boolean {
  return option?.otherNames?.toLowerCase().split(' ').includes(lower) === true
}

/** Names of the lifetime of an entry in other libraries. */
export const TTL_NAMES = 'ttl maxAge age expire expires expiration expiry expireAfter duration lifetime stdTTL'

/** Names of tags in other libraries. */
export const TAGS_NAMES = 'tag surrogateKey surrogateKeys'

/** The known name with the fewest edits, if they are few for its length; otherwise a name that contains it. */
function nearest(lower: string, known: readonly string[]): string | undefined {
  let found: string | undefined
  if (lower.length > LONGEST) return undefined
  let fewest = Math.max(lower.length < 8 ? 2 : 3, Math.floor(lower.length / 3)) + 1
  for (const candidate of known) {
    const edits = editDistance(lower, candidate.toLowerCase())
    if (edits < fewest) {
      fewest = edits
      found = candidate
    }
  }
  if (found !== undefined || lower.length < 3) return found
  return known.find((candidate) => candidate.toLowerCase().includes(lower))
}

/** Longer names are not typos, and would be slow to compare. */
const LONGEST = 40

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
