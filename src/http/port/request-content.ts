import { createHash } from 'node:crypto'
import type { Reason } from '../rules/reasons.js'
import { type Fields, fieldValue } from '../syntax/fields.js'

/** The content of a QUERY is read as far as this, in bytes; one with more goes past the cache. */
export const MAX_CONTENT = 64 * 1024

/**
 * The content of a request, or why it is not known:
 * - `too-large`: it has more bytes than were asked for;
 * - `consumed`: middleware in front of the cache has read it, or begun to, and kept no copy of its bytes;
 * - `incomplete`: the client left before its end.
 */
export type RequestContent = Buffer | 'too-large' | 'consumed' | 'incomplete'

/** Why a request whose content is not known passes by. */
export const UNKNOWN_CONTENT: Readonly<Record<RequestContent & string, Reason>> = {
  'too-large': 'request-too-large',
  consumed: 'request-consumed',
  incomplete: 'request-body',
}

/**
 * What the content of a request adds to its key (RFC 10008, section 2.7): a digest of the bytes as they came and of the fields that
 * say what they mean. Nothing is normalised: whether two texts ask the same is for the handler to say.
 */
export function contentDigest(content: Buffer, headers: Fields): string {
  const metadata = REPRESENTATION_METADATA.map((name) => fieldValue(headers, name) ?? null)
  // JSON holds no line break.
  return createHash('sha256')
    .update(`${JSON.stringify(metadata)}\n`)
    .update(content)
    .digest('hex')
}

/** RFC 9110, section 8. */
const REPRESENTATION_METADATA = ['content-type', 'content-encoding', 'content-language', 'content-location'] as const
