import type { Fields } from './fields.js'

/** A part of a body: positions of its first and last byte, both inclusive (RFC 9110, section 14.1.2). */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** More ranges than this in one request are answered with the whole body (RFC 9110, section 14.2). */
export const MAX_RANGES = 32

/**
 * The parts of a body that a Range field asks for, in its order; `'unsatisfiable'` when none of them exists; `undefined` when the field is to be ignored: absent,
 * another unit, malformed, too many or too greedy ranges, an empty body (RFC 9110, sections 14.1 and 14.2).
 *
 * @param length - the length of the whole body in bytes
 */
export function parseRange(
  _range: string | undefined,
  _length: number,
): readonly ByteRange[] | 'unsatisfiable' | undefined {
  throw new Error('not written yet')
}

/** An answer built from parts of a stored body. */
export interface RangeAnswer {
  readonly status: 206 | 416
  /** The fields to send in place of the stored ones, Content-Length and Content-Range among them. */
  readonly fields: Fields
  readonly body: Buffer
}

/** The 206 for ranges of a stored body: one as it is, several as multipart/byteranges (RFC 9110, section 15.3.7). Slices share the memory of `body`. */
export function partialContent(_ranges: readonly ByteRange[], _fields: Fields, _body: Buffer): RangeAnswer {
  throw new Error('not written yet')
}

/** The 416 for ranges that do not exist in a body of this length (RFC 9110, section 15.5.17). */
export function rangeNotSatisfiable(_fields: Fields, _length: number): RangeAnswer {
  throw new Error('not written yet')
}

/** What a Content-Range field says of a part. */
export interface ContentRange extends ByteRange {
  /** The length of the whole; `undefined` when it is unknown (`*`). */
  readonly completeLength: number | undefined
}

/** The meaning of a Content-Range in bytes; `undefined` when it is of another unit or invalid (RFC 9110, section 14.4). */
export function parseContentRange(_value: string | undefined): ContentRange | undefined {
  throw new Error('not written yet')
}
