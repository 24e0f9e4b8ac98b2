import { hash } from 'node:crypto'

/**
 * An entity tag for a body whose handler gave none: weak, for what sits outside may still code the bytes
 * (RFC 9110, section 8.8.3).
 */
export function makeEntityTag(body: Uint8Array): string {
  return `W/"${body.byteLength.toString(16)}-${hash('sha1', body, 'base64url')}"`
}

/** Whether two entity tags are equal, weak or not (RFC 9110, section 8.8.3.2). */
export function equalsWeakly(one: string, other: string): boolean {
  return opaqueTag(one) === opaqueTag(other)
}

/** Whether two entity tags are equal and both strong (RFC 9110, section 8.8.3.2). */
export function equalsStrongly(one: string, other: string): boolean {
  return one === other && !isWeak(one)
}

/** Whether an entity tag is marked as weak; the mark is case-sensitive (RFC 9110, section 8.8.3). */
export function isWeak(entityTag: string): boolean {
  return entityTag.startsWith('W/')
}

/**
 * The entity tags of a list, as they stand (RFC 9110, section 13.1.2). A tag may contain commas and has no quoted-pairs. Tags without quotes, which
 * the grammar does not know but some servers send, are taken up to the next comma.
 */
export function listEntityTags(value: string): string[] {
  return value.match(/(?:W\/)?"[^"]*"|[^\s,"][^\s,]*/g) ?? []
}

function opaqueTag(entityTag: string): string {
  return isWeak(entityTag) ? entityTag.slice(2) : entityTag
}
