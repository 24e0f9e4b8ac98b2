import { nearestName } from './nearest-name.js'

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
  return names.find((one) => isCalled(lower, known[one])) ?? nearestName(name, names)
}

function isCalled(lower: string, option: KnownOption | undefined): boolean {
  return option?.otherNames?.toLowerCase().split(' ').includes(lower) === true
}

/** Names of the lifetime of an entry in other libraries. */
export const TTL_NAMES =
  'ttl maxAge max_age s-maxage age expire expires expiration expiry expireAfter duration lifetime stdTTL staleTime cacheTime revalidate defaultDuration'

/** Names of tags in other libraries. */
export const TAGS_NAMES = 'tag surrogateKey surrogateKeys'
