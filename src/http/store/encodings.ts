import { hash } from 'node:crypto'
import { MIN_ENCODED_LENGTH } from '../rules/encodable.js'
import { type ContentCoding, isSupported } from '../syntax/content-coding.js'
import { isToken } from '../syntax/fields.js'

/** An encoded form of a stored body. It lies behind the body in the same entry, so that nothing can part the two. */
export interface Encoding {
  readonly coding: string
  /** In bytes; 0: it is still to be made. */
  readonly length: number
  /** Tells it from what another version of the encoder makes of the same body; `''` while it is still to be made. */
  readonly digest: string
}

/** The encodings of a body, all of them still to be made; `undefined` for one that is not going to be encoded. */
export function encodingsToMake(codings: readonly ContentCoding[], length: number): readonly Encoding[] | undefined {
  if (codings.length === 0 || length < MIN_ENCODED_LENGTH) return undefined
  return codings.map((coding) => ({ coding, length: 0, digest: '' }))
}

/** An encoding that has been made. */
export function encodingOf(coding: string, encoded: Buffer): Encoding {
  return { coding, length: encoded.length, digest: hash('sha1', encoded, 'base64url').slice(0, 8) }
}

/** Whether there is one that this process could make. */
export function areToBeMade(encodings: readonly Encoding[] | undefined): boolean {
  return encodings?.some(({ coding, length }) => length === 0 && isSupported(coding)) ?? false
}

/** How much of an entry's bytes is the body itself. */
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

/** The encodings as they are written down. */
export function encodingsText(encodings: readonly Encoding[] | undefined): readonly unknown[] | undefined {
  return encodings?.map(({ coding, length, digest }) => (length === 0 ? [coding] : [coding, length, digest]))
}

/** Encodings as they were written down, for so many bytes; `undefined` when they were written by somebody else. */
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
