import { type Fields, fieldValue } from '../syntax/fields.js'
import { fitsContentRange } from '../syntax/range.js'
import type { Reason } from './reasons.js'
import type { StoragePolicy } from './storage-policy.js'

/** The state of a response body when it ended or was aborted. */
export interface ReceivedBody {
  /** Number of bytes received. */
  readonly length: number
  /** Whether the handler ended the body without an error. */
  readonly ended: boolean
  /** Whether trailer fields were sent. */
  readonly trailers: boolean
}

/** Why the body prevents its response from being stored; `undefined` if it does not (RFC 9111, section 3.3). */
export function refuseBody(
  response: { readonly status?: number; readonly fields: Fields },
  body: ReceivedBody,
  policy: StoragePolicy,
): Reason | undefined {
  if (body.length > policy.maxBodySize) return 'too-large'
  if (!body.ended) return 'aborted'
  if (body.trailers) return 'trailers'
  const announced = fieldValue(response.fields, 'content-length')
  if (announced !== undefined && (!isDigits(announced) || Number(announced) !== body.length)) return 'incomplete'
  if (response.status === 206 && !fitsContentRange(response.fields, body.length)) return 'incomplete'
  return undefined
}

/**
 * Why the framing of a response prevents it from being stored, judged by its head: its Content-Length is not all digits
 * (RFC 9110, section 8.6), or it has a transfer coding other than chunked (RFC 9112, section 6.1).
 */
export function refuseFraming(fields: Fields): Reason | undefined {
  const length = fieldValue(fields, 'content-length')
  if (length !== undefined && !isDigits(length)) return 'content-length'
  const coding = fieldValue(fields, 'transfer-encoding')
  return coding !== undefined && coding.trim().toLowerCase() !== 'chunked' ? 'transfer-encoding' : undefined
}

/** Faster than an expression, for each response has one. */
function isDigits(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char < 0x30 || char > 0x39) return false
  }
  return text !== ''
}
