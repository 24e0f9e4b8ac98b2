import { type Fields, fieldValue, listMembers } from '../syntax/fields.js'
import { parseList } from '../syntax/structured-fields.js'
import { isNonError, isSafe } from './invalidation.js'

/** The groups that a response belongs to (RFC 9875, section 2); none if Cache-Groups is not a List of Strings. */
export function cacheGroups(fields: Fields): readonly string[] {
  return stringsOf(fieldValue(fields, 'cache-groups'))
}

/** The groups that a response to this method invalidates (RFC 9875, section 3); none for safe methods and errors. */
export function invalidatedGroups(method: string, status: number, fields: Fields): readonly string[] {
  if (isSafe(method) || !isNonError(status)) return []
  return stringsOf(fieldValue(fields, 'cache-group-invalidation'))
}

/**
 * The tag for a group in the core. Equal groups of different origins have different tags (RFC 9875, section 2.1).
 *
 * @param origin - scheme and authority: `https://example.com`
 */
export function groupTag(origin: string, group: string): string {
  return `${origin} ${group}`
}

/** Whether a tag is one of {@link groupTag}. */
export function isGroupTag(tag: string): boolean {
  return /^https?:\/\/\S* /.test(tag)
}

/** Maximum number of origins whose groups have separate tags. */
const MAX_ORIGINS = 64

/**
 * Selects the tags for invalidating groups. Because clients choose the host, the number of separate origins is limited:
 * beyond it, a group is invalidated by its name on all origins, so that the number of tags stays bounded.
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
 * The tags that a response assigns to itself, each once: the members of Cache-Tag and the names of its groups, for
 * invalidation from code; and its groups as {@link groupTag}, for Cache-Group-Invalidation.
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
