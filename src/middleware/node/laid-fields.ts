import type { ServerResponse } from 'node:http'
import type { FieldValue, Onward, Reply } from '../../http/port/index.js'
import { layFields, setField } from '../node-internals/index.js'
import type { SendingMethods } from './held-answer.js'
import { type NodeRequest, putHead } from './node-response.js'

/** Fields that were set over those of the handler, with their previous values. */
export type LaidFields = readonly (readonly [name: string, value: FieldValue | number | undefined])[]

export const NONE_LAID: LaidFields = []

/** Sets fields of the cache over those of the handler. */
export function layOver(response: ServerResponse, { fields, checkedNames }: Onward): LaidFields {
  if (fields.length === 0) return NONE_LAID
  const laid: [string, FieldValue | number | undefined][] = []
  for (let at = 0; at < fields.length; at += 2) {
    const name = String(fields[at])
    laid.push([name, setField(response, checkedNames?.[at / 2] ?? name.toLowerCase())])
  }
  layFields(response, fields, checkedNames)
  return laid
}

/** Sets the previous values again. */
export function takeOff(response: ServerResponse, laid: LaidFields): void {
  for (const [name, value] of laid) {
    if (value === undefined) response.removeHeader(name)
    else response.setHeader(name, value)
  }
}

/** The fields that middleware in front has set, and the methods with which it sends. */
interface Outer {
  readonly fields: Readonly<Record<string, FieldValue | number | undefined>>
  readonly methods: SendingMethods
}

/** Removes the fields of the application, except those that outer middleware had set, and sets those of the reply. */
export function putInstead(request: NodeRequest, response: ServerResponse, reply: Reply, outer: Outer): void {
  const { sendDate } = response
  for (const name of response.getHeaderNames()) if (outer.fields[name] === undefined) response.removeHeader(name)
  for (const name of Object.keys(outer.fields)) response.setHeader(name, outer.fields[name] ?? '')
  // Node.js interprets the removal of Date as a request to send no Date.
  response.sendDate = sendDate
  if (request.httpVersionMajor === 1) response.statusMessage = ''
  putHead(response, reply, outer.methods)
}
