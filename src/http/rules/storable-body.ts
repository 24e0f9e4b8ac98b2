import { type Fields, fieldValue } from '../syntax/fields.js'
import { fitsContentRange } from '../syntax/range.js'
import type { Reason } from './reasons.js'
import type { StoragePolicy } from './storage-policy.js'

/** What is known of a body once it ended, or as far as it came. */
export interface ReceivedBody {
  /** Bytes received. */
  readonly length: number
  /** Whether the handler ended it and nothing failed. */
  readonly ended: boolean
  /** Whether trailer fields came with it. */
  readonly trailers: boolean
}

/** Why a body keeps its response from being stored; `undefined` when nothing does (RFC 9111, section 3.3). */
export function refuseBody(
  response: { readonly status?: number; readonly fields: Fields },
  body: ReceivedBody,
  policy: StoragePolicy,
): Reason | undefined {
  if (body.length > policy.maxBodySize) return 'too-large'
  if (!body.ended) return 'aborted'
  if (body.trailers) return 'trailers'
  const announced = fieldValue(response.fields, 'content-length')
  if (announced !== undefined && (!DIGITS.test(announced) || Number(announced) !== body.length)) return 'incomplete'
  if (response.status === 206 && !fitsContentRange(response.fields, body.length)) return 'incomplete'
  return undefined
}

/**
 * Why the way in which a response is framed keeps it from being stored, known once its head is: its Content-Length is no number of
 * digits (RFC 9110, section 8.6), or it has a transfer coding of its own beside chunked (RFC 9112, section 6.1).
 */
export function refuseFraming(fields: Fields): Reason | undefined {
  const length = fieldValue(fields, 'content-length')
  if (length !== undefined && !DIGITS.test(length)) return 'content-length'
  const coding = fieldValue(fields, 'transfer-encoding')
  return coding !== undefined && coding.trim().toLowerCase() !== 'chunked' ? 'transfer-encoding' : undefined
}

const DIGITS = /^[0-9]+$/
