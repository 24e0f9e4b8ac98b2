import { hash } from 'node:crypto'

/**
 * Generates an entity tag for a body without one. The tag is weak, because a proxy in front may still compress the body
 * (RFC 9110, section 8.8.3).
 */
export function makeEntityTag(body: Uint8Array): string {
  return `W/"${body.byteLength.toString(16)}-${hash('sha1', body, 'base64url')}"`
}

/** Weak comparison of two entity tags (RFC 9110, section 8.8.3.2). */
export function equalsWeakly(one: string, other: string): boolean {
  return opaqueTag(one) === opaqueTag(other)
}

/** Strong comparison of two entity tags: equal, and neither is weak (RFC 9110, section 8.8.3.2). */
export function equalsStrongly(one: string, other: string): boolean {
  return one === other && !isWeak(one)
}

/** Whether an entity tag is weak; the `W/` prefix is case-sensitive (RFC 9110, section 8.8.3). */
export function isWeak(entityTag: string): boolean {
  return entityTag.startsWith('W/')
}

/**
 * Splits a list of entity tags (RFC 9110, section 13.1.2). A tag may contain commas and has no quoted-pairs. Unquoted
 * tags, which the grammar forbids but some servers send, end at the next comma or space.
 */
export function listEntityTags(value: string): string[] {
  return value.match(/(?:W\/)?"[^"]*"|[^\s,"][^\s,]*/g) ?? []
}

function opaqueTag(entityTag: string): string {
  return isWeak(entityTag) ? entityTag.slice(2) : entityTag
}
