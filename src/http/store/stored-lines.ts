import type { Entry } from '../../core/entry.js'
import type { FieldValue } from '../syntax/fields.js'
import { Remembered } from '../syntax/remembered.js'
import { isAmount, isInputValues } from '../syntax/well-formed.js'
import { areStorable, type FieldNames, hasLengthOf, isValidName, namesInList } from './field-names.js'
import type { StoredHead } from './stored-head.js'
import { StoredResponse } from './stored-response.js'
import { readShape, type StoredShape, shapeMembers } from './stored-shape.js'

/**
 * Serializes a head as lines, which are read without parsing them each time; `undefined` for a head that only JSON can
 * hold: with a field of several lines, or with encodings.
 *
 * ```text
 * {"s":200,"h":["Content-Type","ETag"]}   what most responses of a route have in common, with the names of the fields
 * 0 12                                    the initial age, and what the handler cost, in ms
 * text/html                               the value of each field
 * "a1b2"
 * GET https://shop.example/page           the identity; before it, if there are any, the selecting values as JSON
 * ```
 */
export function headLines(head: StoredHead): string | undefined {
  const { fields, selecting, values, identity } = head
  if (head.encodings !== undefined) return undefined
  const names: string[] = []
  let lines = ''
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value] = [fields[at], fields[at + 1]]
    if (typeof name !== 'string' || typeof value !== 'string' || value.includes('\n')) return undefined
    names.push(name)
    lines += `${value}\n`
  }
  if (!ARE_VALID.test(lines)) return undefined
  if (selecting.length > 0) lines += `${JSON.stringify(values)}\n`
  return `${shapeLine(head, names)}\n${head.initialAge} ${head.cost}\n${lines}${identity}`
}

/** The parts of the first line that was serialized last, and the line. */
let [lastParts, lastLine]: [readonly unknown[], string] = [[], '']

/** The first line, which is the same for most responses of a route. */
function shapeLine(head: StoredHead, names: readonly string[]): string {
  const { status, reason, control, staleWhileRevalidate, staleIfError, ownEntityTag, nested, routePattern } = head
  const lists = [...names, '', ...head.appended, '', ...head.removed, '', ...head.selecting]
  const windows = [staleWhileRevalidate, staleIfError]
  const parts = [status, reason, control, ownEntityTag, nested, routePattern, ...windows, ...lists]
  if (parts.length !== lastParts.length || parts.some((part, at) => part !== lastParts[at])) {
    lastParts = parts
    lastLine = JSON.stringify({ ...shapeMembers(head), h: names })
  }
  return lastLine
}

/** Reads {@link headLines}; `undefined` if the text is invalid. */
export function readLines(entry: Entry, text: string): StoredResponse | undefined {
  const end = text.indexOf('\n')
  const known = KNOWN.of(text.slice(0, end))
  const separator = text.indexOf(' ', end)
  let at = text.indexOf('\n', end + 1)
  if (known === undefined || at < 0 || separator < 0 || separator > at) return undefined
  const initialAge = Number(text.slice(end + 1, separator))
  const cost = Number(text.slice(separator + 1, at))
  if (!isAmount(initialAge) || !isAmount(cost)) return undefined
  const { shape, sent } = known
  const fields: FieldValue[] = []
  const begin = ++at
  for (const name of sent) {
    const next = text.indexOf('\n', at)
    if (next < 0) return undefined
    fields.push(name, text.slice(at, next))
    at = next + 1
  }
  if (!ARE_VALID.test(text.slice(begin, at))) return undefined
  let values: readonly (string | null)[] = NO_VALUES
  if (shape.selecting.length > 0) {
    const next = text.indexOf('\n', at)
    const read = readValues(text.slice(at, Math.max(at, next)))
    if (read?.length !== shape.selecting.length) return undefined
    values = read
    at = next + 1
  }
  const { body } = entry
  if (known.lacksLength) fields.push('Content-Length', String(body.length))
  else if (!hasLengthOf(body.length, fields, known.names)) return undefined
  return new StoredResponse(entry, headOf(shape, { identity: text.slice(at), fields, initialAge, cost, values }), {
    body,
    names: known.names,
    isLengthAdded: known.lacksLength,
  })
}

/** The first line of {@link headLines}, as an object; `undefined` if the text is not such lines. */
export function firstLineOf(text: string): string | undefined {
  const end = text.indexOf('\n')
  return end < 0 ? undefined : text.slice(0, end)
}

/** By name: V8 copies an object with a spread far more slowly. */
function headOf(
  shape: StoredShape,
  { identity, fields, initialAge, cost, values }: Omit<StoredHead, keyof StoredShape | 'encodings'>,
): StoredHead {
  return {
    identity,
    status: shape.status,
    reason: shape.reason,
    fields,
    ownEntityTag: shape.ownEntityTag,
    appended: shape.appended,
    removed: shape.removed,
    control: shape.control,
    initialAge,
    cost,
    staleWhileRevalidate: shape.staleWhileRevalidate,
    staleIfError: shape.staleIfError,
    selecting: shape.selecting,
    values,
    nested: shape.nested,
    routePattern: shape.routePattern,
    encodings: undefined,
  }
}

/** A first line that was read. */
interface KnownShape {
  readonly shape: StoredShape
  /** The names of the fields that have a line. */
  readonly sent: readonly string[]
  /** Whether Content-Length is to be added to them. */
  readonly lacksLength: boolean
  /** What all names decide, with Content-Length. */
  readonly names: FieldNames
}

/** In characters: an application with many security fields has a first line of about 700. */
const LONGEST = 4096

const KNOWN = /* @__PURE__ */ new Remembered<KnownShape | undefined>(readFirstLine, LONGEST)

function readFirstLine(line: string): KnownShape | undefined {
  const meta = parseObject(line)
  const shape = meta && readShape(meta)
  const sent: unknown = meta?.h
  if (shape === undefined || !isNames(sent)) return undefined
  const isBodiless = shape.status === 204 || shape.status === 304
  const lacksLength = !isBodiless && !sent.some((name) => name.toLowerCase() === 'content-length')
  const all = lacksLength ? [...sent, 'Content-Length'] : sent
  const names = namesInList(all.flatMap((name) => [name, '']))
  return areStorable(names) ? { shape, sent, lacksLength, names } : undefined
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string' && isValidName(name))
}

function readValues(text: string): readonly (string | null)[] | undefined {
  try {
    const values: unknown = JSON.parse(text)
    return isInputValues(values) ? values : undefined
  } catch {
    return undefined
  }
}

/** Parses an object; `undefined` if the text is none. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    // A text that starts with a brace and parses is an object.
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

const NO_VALUES: readonly (string | null)[] = Object.freeze([])

/** Lines of characters that Node.js accepts in a value. */
const ARE_VALID = /^[\t\n\x20-\x7e\x80-\xff]*$/
