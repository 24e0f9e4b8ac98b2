import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { FieldList, FieldValue } from '../../http/port/index.js'

/** The internal field storage of an unsent message: lower-case name to the original name and value. */
export type OutgoingFields = Record<string, [name: string, value: FieldValue | number]>

/** A message, as the code of Node.js sees it: the storage of its fields, `null` before the first one, is under a symbol. */
type FieldHolder = Record<symbol, OutgoingFields | null | undefined>

const { getHeader, setHeader } = OutgoingMessage.prototype
const place = findPlace()

/**
 * Sets fields on a response like `setHeader`, but skips the validation of characters that were already checked.
 *
 * @param checkedNames - the names of `fields` in lower case, if names and values were validated
 */
export function layFields(response: ServerResponse, fields: FieldList, checkedNames?: readonly string[]): void {
  const known = checkedNames === undefined ? undefined : fieldsOf(response)
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1]
    if (value === undefined) continue
    const name = String(fields[at])
    const lower = checkedNames?.[at / 2]
    if (known === undefined || lower === undefined) response.setHeader(name, value)
    // Each response needs an array of its own, because appendHeader modifies it.
    else known[lower] = [name, value]
  }
}

/**
 * Like {@link layFields}, for stored fields: a `setHeader` that middleware has put in the place of that of Node.js has
 * already been called for them, and could change them once more.
 */
export function layStoredFields(response: ServerResponse, fields: FieldList, checkedNames?: readonly string[]): void {
  if (response.setHeader === setHeader || 'stream' in response) {
    layFields(response, fields, checkedNames)
    return
  }
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1]
    if (value !== undefined) setHeader.call(response, String(fields[at]), value)
  }
}

/** The fields of a response as a list; `undefined` if this Node.js stores them elsewhere, or `getHeader` is patched. */
export function knownFields(response: ServerResponse): FieldList | undefined {
  if (place === undefined || response.getHeader !== getHeader) return undefined
  const known = (response as unknown as FieldHolder)[place]
  if (known === undefined) return undefined
  const list: FieldValue[] = []
  for (const lower in known) {
    const [name, value] = known[lower] ?? NONE
    list.push(name, typeof value === 'number' ? String(value) : value)
  }
  return list
}

const NONE: readonly [string, FieldValue] = ['', '']

/** What `getHeader` returns for a field, by its name in lower case. */
export function setField(response: ServerResponse, lower: string): FieldValue | number | undefined {
  if (place === undefined || response.getHeader !== getHeader) return response.getHeader(lower)
  const known = (response as unknown as FieldHolder)[place]
  return known?.[lower]?.[1]
}

/**
 * Whether no field was set on a response yet; false if this Node.js stores fields elsewhere, or `setHeader` is patched.
 */
export function hasNoFields(response: ServerResponse): boolean {
  return place !== undefined && response.setHeader === setHeader && Reflect.get(response, place) === null
}

/**
 * The value of a field if it is the only one set, by lower-case name; `undefined` if no field is set, false if other
 * fields are set or it cannot be determined.
 */
export function onlyField(response: ServerResponse, name: string): string | undefined | false {
  if (hasNoFields(response)) return undefined
  if (place === undefined || response.setHeader !== setHeader) return false
  const known = (response as unknown as FieldHolder)[place]
  for (const lower in known) if (lower !== name) return false
  const value = known?.[name]?.[1]
  return typeof value === 'string' && value
}

/**
 * Makes fields readable on a response whose head is sent, so that they can no longer change; one table may serve many
 * responses.
 */
export function showFields(response: ServerResponse, fields: OutgoingFields): void {
  if (place !== undefined) (response as unknown as FieldHolder)[place] = fields
}

/** Makes a response whose head is sent have no readable fields, as after a `writeHead` that was given all of them. */
export function hideFields(response: ServerResponse): void {
  if (place !== undefined && place in response) (response as unknown as FieldHolder)[place] = null
}

/** The internal field storage of a response, for reading only; `undefined` if this Node.js stores fields elsewhere. */
export function outgoingFields(response: ServerResponse): OutgoingFields | undefined {
  if (place === undefined || !(place in response)) return undefined
  return (response as unknown as FieldHolder)[place] ?? NO_FIELDS
}

/**
 * Whether a field was ever set on a response, even if removed since: `writeHead` then sets fields one by one. Always
 * false over HTTP/2.
 */
export function hasHadFields(response: ServerResponse): boolean {
  if ('stream' in response) return false
  if (place === undefined || !(place in response)) return response.getHeaderNames().length > 0
  return (response as unknown as FieldHolder)[place] !== null
}

const NO_FIELDS: OutgoingFields = Object.freeze({})

/**
 * The internal field storage of a response, created if missing; `undefined` if this Node.js stores fields elsewhere, or
 * `setHeader` is patched.
 */
function fieldsOf(response: ServerResponse): OutgoingFields | undefined {
  if (place === undefined || response.setHeader !== setHeader || response.headersSent) return undefined
  const message = response as unknown as FieldHolder
  const known = message[place]
  if (known !== null) return known
  const made: OutgoingFields = Object.create(null)
  message[place] = made
  return made
}

/** The symbol under which messages store their fields, if it behaves as in all versions since Node.js 8. */
function findPlace(): symbol | undefined {
  const message = new OutgoingMessage()
  message.setHeader('X-Field', 'one')
  const symbol = Object.getOwnPropertySymbols(message).find((own) => own.description === 'kOutHeaders')
  if (symbol === undefined) return undefined
  const other = new OutgoingMessage()
  if (Reflect.get(other, symbol) !== null) return undefined
  const fields: OutgoingFields = Object.create(null)
  fields['x-field'] = ['X-Field', 'one']
  Reflect.set(other, symbol, fields)
  const isSame =
    JSON.stringify(Reflect.get(message, symbol)) === JSON.stringify(fields) &&
    other.getHeader('x-FIELD') === 'one' &&
    JSON.stringify(other.getHeaders()) === '{"x-field":"one"}'
  return isSame ? symbol : undefined
}
