/**
 * The known option that an unknown name probably means: a synonym, a name with few edits, or a name that contains it.
 * `undefined` if none is similar enough.
 */
export function meantOption(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase()
  return OTHER_NAMES.get(lower)?.find((one) => known.includes(one)) ?? nearest(lower, known)
}

/**
 * Names used by other caches and clients for the options here; the first listed option that the owner has is suggested.
 */
const OTHER_NAMES: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ['ttl defaultTtl', 'ttl maxAge age expire expires expiration expiry expireAfter duration lifetime stdTTL'],
    ['skip', 'exclude ignore unless bypass filter shouldCache when if toggle'],
    ['enabled', 'enable disabled disable active'],
    ['maxEntries', 'max limit maxItems maxKeys capacity'],
    ['maxBytes', 'maxSize memoryLimit maxMemory'],
    ['redis', 'client redisClient redisUrl url uri connection store storage host'],
    ['keyPrefix group', 'prefix namespace'],
    ['key', 'keyGenerator generateKey getKey cacheKey appendKey'],
    ['tags', 'tag surrogateKey surrogateKeys'],
    ['vary', 'headers varyBy'],
    ['statusTtl', 'status statuses statusCode statusCodes'],
    ['staleWhileRevalidate', 'swr grace stale'],
    ['staleIfError', 'sie keep'],
    ['precompress', 'compress compression encodings'],
    ['cacheStatus', 'debug xCache cacheHeader'],
    ['logger', 'log console'],
    ['query', 'params queryParams searchParams'],
    ['redisTimeout', 'timeout commandTimeout'],
    ['tls', 'ssl ca cert'],
    ['credentials', 'auth login password username credentialsProvider'],
    ['user', 'userId perUser'],
  ].flatMap(([options = '', names = '']) =>
    names.split(' ').map((name): [string, readonly string[]] => [name.toLowerCase(), options.split(' ')]),
  ),
)

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
