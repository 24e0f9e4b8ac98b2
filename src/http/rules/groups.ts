import { type Fields, fieldValue, listMembers } from '../syntax/fields.js'
import { parseList } from '../syntax/structured-fields.js'
import { isNonError, isSafe } from './invalidation.js'

/** The groups that a response belongs to (RFC 9875, section 2); none when Cache-Groups is no List of Strings. */
export function cacheGroups(fields: Fields): readonly string[] {
  return stringsOf(fieldValue(fields, 'cache-groups'))
}

/** The groups that an answer to this method invalidates (RFC 9875, section 3): none for safe methods and errors. */
export function invalidatedGroups(method: string, status: number, fields: Fields): readonly string[] {
  if (isSafe(method) || !isNonError(status)) return []
  return stringsOf(fieldValue(fields, 'cache-group-invalidation'))
}

/**
 * The tag that a group has in the core: groups of two origins are two tags (RFC 9875, section 2.1).
 *
 * @param origin - scheme and authority: `https://example.com`
 */
export function groupTag(origin: string, group: string): string {
  return `${origin} ${group}`
}

/** Origins whose groups have tags of their own. */
const MAX_ORIGINS = 64

/**
 * The tags by which answers invalidate groups. Clients name the host: for more origins than a site has, a group is invalidated
 * by its name, on all origins, so that no number of hosts makes a number of tags.
 */
export class GroupTags {
  readonly #origins = new Set<string>()

  /** @param origin - as for {@link groupTag} */
  of(origin: string, groups: readonly string[]): readonly string[] {
    if (groups.length > 0 && this.#origins.size < MAX_ORIGINS) this.#origins.add(origin)
    return this.#origins.has(origin) ? groups.map((group) => groupTag(origin, group)) : groups
  }
}

/**
 * The tags that a response gives itself, each once: the members of Cache-Tag and the groups by name, for invalidation from code; and the groups by
 * {@link groupTag}, for Cache-Group-Invalidation.
 */
export function responseTags(fields: Fields, origin: string): readonly string[] {
  const named = fieldValue(fields, 'cache-tag')
  const groups = cacheGroups(fields)
  if (named === undefined && groups.length === 0) return NO_TAGS
  const tags = new Set(named === undefined ? [] : listMembers(named))
  for (const group of groups) tags.add(group).add(groupTag(origin, group))
  return [...tags]
}

const NO_TAGS: readonly string[] = Object.freeze([])

function stringsOf(value: string | undefined): readonly string[] {
  if (value === undefined) return NO_TAGS
  const members = parseList(value)
  if (members === undefined) return NO_TAGS
  const strings = new Set<string>()
  for (const member of members) {
    if (member.type !== 'string') return NO_TAGS
    strings.add(member.value)
  }
  return [...strings]
}
