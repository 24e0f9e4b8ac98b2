import { randomBytes } from 'node:crypto'
import { emptyFields, type Fields, fieldValue, listMembers } from './fields.js'

/** A byte range: positions of its first and last byte, both inclusive (RFC 9110, section 14.1.2). */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** Maximum number of ranges in a request; a request for more gets the whole body (RFC 9110, section 14.2). */
export const MAX_RANGES = 32

/**
 * Parses a Range field into byte ranges, in order of appearance, with overlapping ranges merged. Returns
 * `'unsatisfiable'` if no requested range exists, and `undefined` if the field must be ignored: absent, another unit,
 * malformed, too many ranges, or an empty body (RFC 9110, sections 14.1 and 14.2). Several ranges together never exceed
 * the size of the body.
 *
 * @param length - the length of the whole body in bytes
 */
export function parseRange(
  range: string | undefined,
  length: number,
): readonly ByteRange[] | 'unsatisfiable' | undefined {
  if (range === undefined || length === 0) return undefined
  const unit = BYTES.exec(range)
  if (unit === null) return undefined
  const specs = listMembers(range.slice(unit[0].length))
  if (specs.length === 0 || specs.length > MAX_RANGES) return undefined
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const positions = /^(\d*)-(\d*)$/.exec(spec)
    if (positions === null) return undefined
    const [, from = '', to = ''] = positions
    if (from === '' && to === '') return undefined
    if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
    const found = from === '' ? suffix(Number(to), length) : interval(Number(from), to, length)
    if (found !== undefined) ranges.push(found)
  }
  return ranges.length === 0 ? 'unsatisfiable' : joinOverlapping(ranges)
}

/**
 * Whether a request uses a range unit other than bytes, which only its handler can interpret (RFC 9110, section 14.1).
 */
export function asksInOwnUnits(request: Fields): boolean {
  const range = fieldValue(request, 'range')
  return range !== undefined && !BYTES.test(range)
}

const BYTES = /^bytes[ \t]*=/i

/** A partial response built from a stored body. */
export interface RangeAnswer {
  readonly status: 206 | 416
  /** The fields to send instead of the stored ones, including Content-Length and Content-Range. */
  readonly fields: Fields
  readonly body: Buffer
}

/**
 * Builds the 206 response for ranges of a stored body: one range as a single part, several as multipart/byteranges (RFC
 * 9110, section 15.3.7). A single part shares the memory of `body`.
 */
export function partialContent(ranges: readonly ByteRange[], fields: Fields, body: Buffer): RangeAnswer {
  const answer = without(fields, DESCRIBES_WHOLE)
  const [only] = ranges
  if (only !== undefined && ranges.length === 1) {
    answer['content-range'] = contentRange(only, body.length)
    answer['content-length'] = String(only.last - only.first + 1)
    return { status: 206, fields: answer, body: body.subarray(only.first, only.last + 1) }
  }
  const boundary = randomBytes(18).toString('hex')
  const parts = multipart(ranges, fieldValue(fields, 'content-type'), body, boundary)
  answer['content-type'] = `multipart/byteranges; boundary=${boundary}`
  answer['content-length'] = String(parts.length)
  return { status: 206, fields: answer, body: parts }
}

/**
 * Builds the 416 response for ranges outside a body of this length (RFC 9110, section 15.5.17), without freshness
 * information because it applies to one request only.
 */
export function rangeNotSatisfiable(fields: Fields, length: number): RangeAnswer {
  const answer = without(fields, DESCRIBES_RESPONSE)
  answer['content-range'] = `bytes */${length}`
  answer['content-length'] = '0'
  return { status: 416, fields: answer, body: Buffer.alloc(0) }
}

/** A parsed Content-Range field. */
export interface ContentRange extends ByteRange {
  /** The length of the complete body; `undefined` if unknown (`*`). */
  readonly completeLength: number | undefined
}

/** Parses a Content-Range in bytes; `undefined` for another unit or an invalid value (RFC 9110, section 14.4). */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = /^bytes[ \t]+(\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(value ?? '')
  if (match === null) return undefined
  const first = Number(match[1])
  const last = Number(match[2])
  const completeLength = match[3] === '*' ? undefined : Number(match[3])
  if (last < first || (completeLength !== undefined && completeLength <= last)) return undefined
  return { first, last, completeLength }
}

/** Parses the Content-Range among a response's fields; `undefined` if there is no valid one. */
export function contentRangeOf(fields: Fields): ContentRange | undefined {
  return parseContentRange(fieldValue(fields, 'content-range'))
}

/** The number of bytes in a range. */
export function lengthOf({ first, last }: ByteRange): number {
  return last - first + 1
}

/** Whether a body's length matches its Content-Range; true without a valid Content-Range. */
export function fitsContentRange(fields: Fields, length: number): boolean {
  const range = contentRangeOf(fields)
  return range === undefined || lengthOf(range) === length
}

const DESCRIBES_WHOLE: ReadonlySet<string> = new Set(['content-length', 'content-range', 'transfer-encoding'])

const DESCRIBES_RESPONSE: ReadonlySet<string> = new Set([
  ...DESCRIBES_WHOLE,
  'age',
  'cache-control',
  'cdn-cache-control',
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'expires',
  'fallback-cache-control',
  'surrogate-control',
])

function suffix(wanted: number, length: number): ByteRange | undefined {
  return wanted === 0 ? undefined : { first: Math.max(0, length - wanted), last: length - 1 }
}

function interval(first: number, to: string, length: number): ByteRange | undefined {
  if (first >= length) return undefined
  return { first, last: to === '' ? length - 1 : Math.min(Number(to), length - 1) }
}

/**
 * Merges ranges that share bytes, at the position of the earliest in the request, so that no byte is sent twice (RFC
 * 9110, section 15.3.7.2).
 */
function joinOverlapping(ranges: readonly ByteRange[]): readonly ByteRange[] {
  if (ranges.length === 1) return ranges
  const ordered = ranges.map((range, place) => ({ ...range, place })).sort((one, other) => one.first - other.first)
  const joined: { first: number; last: number; place: number }[] = []
  for (const range of ordered) {
    const before = joined.at(-1)
    if (before !== undefined && range.first <= before.last) {
      before.last = Math.max(before.last, range.last)
      before.place = Math.min(before.place, range.place)
    } else {
      joined.push({ ...range })
    }
  }
  return joined.sort((one, other) => one.place - other.place).map(({ first, last }) => ({ first, last }))
}

function multipart(
  ranges: readonly ByteRange[],
  contentType: string | undefined,
  body: Buffer,
  boundary: string,
): Buffer {
  const chunks: Buffer[] = []
  for (const range of ranges) {
    const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`
    const head = `\r\n--${boundary}\r\n${type}Content-Range: ${contentRange(range, body.length)}\r\n\r\n`
    chunks.push(Buffer.from(head, 'latin1'), body.subarray(range.first, range.last + 1))
  }
  chunks.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'))
  return Buffer.concat(chunks)
}

function contentRange(range: ByteRange, length: number): string {
  return `bytes ${range.first}-${range.last}/${length}`
}

function without(fields: Fields, names: ReadonlySet<string>): Record<string, string | readonly string[] | undefined> {
  const kept = emptyFields()
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value !== undefined && !names.has(name)) kept[name] = value
  }
  return kept
}
