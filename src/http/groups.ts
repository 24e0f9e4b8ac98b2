import type { Fields } from './fields.js'

/** The groups that a response belongs to (RFC 9875, section 2); none when Cache-Groups is no List of Strings. */
export function cacheGroups(_fields: Fields): readonly string[] {
  throw new Error('not written yet')
}

/** The groups that an answer to this method invalidates (RFC 9875, section 3): none for safe methods and errors. */
export function invalidatedGroups(_method: string, _status: number, _fields: Fields): readonly string[] {
  throw new Error('not written yet')
}

/** The tag that a group has in the core: groups of two origins are two tags (RFC 9875, section 2.1). */
export function groupTag(origin: string, group: string): string {
  return `${origin} ${group}`
}

/** The tags of a response: the members of Cache-Tag, the groups by name, for invalidation from code, and the groups by origin, for Cache-Group-Invalidation. */
export function responseTags(_fields: Fields, _origin: string): readonly string[] {
  throw new Error('not written yet')
}
