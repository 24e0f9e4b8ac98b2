import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { FieldList, FieldValue } from '../../http/port/index.js'

/** Where node keeps the fields of a message that is not sent yet: by lower-case name, each with the name as it was given. */
export type OutgoingFields = Record<string, [name: string, value: FieldValue | number]>

const { getHeader, setHeader } = OutgoingMessage.prototype
const place = findPlace()

/**
 * Lays fields over those that a response has, as `setHeader` does for each, but without looking at every character again.
 *
 * @param checkedNames - the names of `fields` in lower case, if names and values have been found well-formed
 */
export function layFields(response: ServerResponse, fields: FieldList, checkedNames?: readonly string[]): void {
  const known = checkedNames === undefined ? undefined : fieldsOf(response)
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1]
    if (value === undefined) continue
    const name = String(fields[at])
    const lower = checkedNames?.[at / 2]
    if (known === undefined || lower === undefined) response.setHeader(name, value)
    // A pair for each response: appendHeader changes it.
    else known[lower] = [name, value]
  }
}

/** The fields of a response as a list; `undefined` where this node keeps them elsewhere, or somebody answers in its place. */
export function knownFields(response: ServerResponse): FieldList | undefined {
  if (place === undefined || response.getHeader !== getHeader) return undefined
  const known = (response as unknown as Record<symbol, OutgoingFields | null | undefined>)[place]
  if (known === undefined) return undefined
  const list: FieldValue[] = []
  for (const lower in known) {
    const [name, value] = known[lower] ?? NONE
    list.push(name, typeof value === 'number' ? String(value) : value)
  }
  return list
}

const NONE: readonly [string, FieldValue] = ['', '']

/** Whether nobody has set a field of a response yet; false where this node keeps them elsewhere, or somebody watches `setHeader`. */
export function hasNoFields(response: ServerResponse): boolean {
  return place !== undefined && response.setHeader === setHeader && Reflect.get(response, place) === null
}

/** The text of a field, by its lower-case name, that no other one stands beside; `undefined`: there is no field, false: there are others, or it cannot be known. */
export function onlyField(response: ServerResponse, name: string): string | undefined | false {
  if (hasNoFields(response)) return undefined
  if (place === undefined || response.setHeader !== setHeader) return false
  const known = (response as unknown as Record<symbol, OutgoingFields | undefined>)[place]
  for (const lower in known) if (lower !== name) return false
  const value = known?.[name]?.[1]
  return typeof value === 'string' && value
}

/** Shows fields to whoever asks a response for them once its head is sent and nobody can change them: one table may serve many responses. */
export function showFields(response: ServerResponse, fields: OutgoingFields): void {
  if (place !== undefined) (response as unknown as Record<symbol, OutgoingFields>)[place] = fields
}

/** The fields of a response as node keeps them, to be looked at; `undefined` where this node keeps them elsewhere. */
export function outgoingFields(response: ServerResponse): OutgoingFields | undefined {
  if (place === undefined || !(place in response)) return undefined
  return (response as unknown as Record<symbol, OutgoingFields | null>)[place] ?? NO_FIELDS
}

/** Whether a field was ever set on a response, removed or not: node then has `writeHead` set fields one by one. Never over HTTP/2. */
export function hasHadFields(response: ServerResponse): boolean {
  if ('stream' in response) return false
  if (place === undefined || !(place in response)) return response.getHeaderNames().length > 0
  return (response as unknown as Record<symbol, OutgoingFields | null>)[place] !== null
}

const NO_FIELDS: OutgoingFields = Object.freeze({})

/** The fields of a response as node keeps them; `undefined` where this node does so elsewhere, or somebody watches `setHeader`. */
function fieldsOf(response: ServerResponse): OutgoingFields | undefined {
  if (place === undefined || response.setHeader !== setHeader || response.headersSent) return undefined
  const message = response as unknown as Record<symbol, OutgoingFields | null | undefined>
  const known = message[place]
  if (known !== null) return known
  const made: OutgoingFields = Object.create(null)
  message[place] = made
  return made
}

/** The property of messages that holds their fields, if it is what it has been since Node.js 8. */
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
