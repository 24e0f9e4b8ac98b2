import { createHash } from 'node:crypto'
import type { Reason } from '../rules/reasons.js'
import { type Fields, fieldValue } from '../syntax/fields.js'

/** Maximum length of the content of a QUERY, in bytes; a longer one bypasses the cache. */
export const MAX_CONTENT = 64 * 1024

/**
 * The content of a request, or why it is unknown:
 * - `too-large`: it has more bytes than requested;
 * - `consumed`: middleware in front of the cache has read it, or started to, and kept no copy of its bytes;
 * - `incomplete`: the client disconnected before its end.
 */
export type RequestContent = Buffer | 'too-large' | 'consumed' | 'incomplete'

/** The reasons for which a request with unknown content bypasses the cache. */
export const UNKNOWN_CONTENT: Readonly<Record<RequestContent & string, Reason>> = {
  'too-large': 'request-too-large',
  consumed: 'request-consumed',
  incomplete: 'request-body',
}

/**
 * The part of a key for the content of a request (RFC 10008, section 2.7): a digest of the bytes as received and of the
 * fields that define their meaning. Nothing is normalized, because only the handler can tell whether two texts are
 * equivalent.
 */
export function contentDigest(content: Buffer, headers: Fields): string {
  const metadata = REPRESENTATION_METADATA.map((name) => fieldValue(headers, name) ?? null)
  // JSON contains no line break, so it separates the two parts.
  return createHash('sha256')
    .update(`${JSON.stringify(metadata)}\n`)
    .update(content)
    .digest('hex')
}

/** The fields that define the meaning of content (RFC 9110, section 8), in lower case. */
export const REPRESENTATION_METADATA = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
] as const
