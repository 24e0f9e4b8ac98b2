import { hash } from 'node:crypto'
import { MIN_ENCODED_LENGTH } from '../rules/encodable.js'
import { type ContentCoding, isSupported } from '../syntax/content-coding.js'
import { isToken } from '../syntax/fields.js'

/**
 * An encoded form of a stored body. It is stored after the body in the same entry, so that both are always replaced
 * together.
 */
export interface Encoding {
  readonly coding: string
  /** In bytes; 0 if it was not made yet. */
  readonly length: number
  /** Distinguishes it from the output of another encoder version for the same body; `''` if it was not made yet. */
  readonly digest: string
}

/** The encodings of a new body, none of them made yet; `undefined` for a body that will not be encoded. */
export function encodingsToMake(codings: readonly ContentCoding[], length: number): readonly Encoding[] | undefined {
  if (codings.length === 0 || length < MIN_ENCODED_LENGTH) return undefined
  return codings.map((coding) => ({ coding, length: 0, digest: '' }))
}

/** Describes an encoding that was made. */
export function encodingOf(coding: string, encoded: Buffer): Encoding {
  return { coding, length: encoded.length, digest: hash('sha1', encoded, 'base64url').slice(0, 8) }
}

/** Whether an encoding is missing that this process could make. */
export function areToBeMade(encodings: readonly Encoding[] | undefined): boolean {
  return encodings?.some(({ coding, length }) => length === 0 && isSupported(coding)) ?? false
}

/** Length of the unencoded body within an entry, in bytes. */
export function lengthOfIdentity(entryBody: Buffer, encodings: readonly Encoding[]): number {
  return encodings.reduce((left, { length }) => left - length, entryBody.length)
}

/** The bytes of one encoding, as a view. */
export function encodedBody(entryBody: Buffer, encodings: readonly Encoding[], wanted: Encoding): Buffer {
  let from = lengthOfIdentity(entryBody, encodings)
  for (const encoding of encodings) {
    if (encoding === wanted) return entryBody.subarray(from, from + encoding.length)
    from += encoding.length
  }
  return entryBody.subarray(from)
}

/** The encodings in serialized form. */
export function encodingsText(encodings: readonly Encoding[] | undefined): readonly unknown[] | undefined {
  return encodings?.map(({ coding, length, digest }) => (length === 0 ? [coding] : [coding, length, digest]))
}

/** Parses serialized encodings for an entry of `available` bytes; `undefined` if they are invalid. */
export function readEncodings(written: unknown, available: number): readonly Encoding[] | undefined {
  if (!Array.isArray(written)) return undefined
  const encodings: Encoding[] = []
  for (const one of written) {
    if (!Array.isArray(one)) return undefined
    const [coding, length = 0, digest = '']: readonly unknown[] = one
    if (typeof coding !== 'string' || !isToken(coding) || typeof digest !== 'string') return undefined
    if (!Number.isSafeInteger(length) || Number(length) < 0 || !/^[\w-]*$/.test(digest)) return undefined
    encodings.push({ coding, length: Number(length), digest })
  }
  return encodings.reduce((left, { length }) => left - length, available) > 0 ? encodings : undefined
}
