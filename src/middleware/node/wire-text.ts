import { OutgoingMessage } from 'node:http'
import type { FieldList, ResponseHead } from '../../http/port/index.js'

const { end } = OutgoingMessage.prototype

/**
 * The fields of a response as their bytes are on the wire, each byte one character. Node writes a head in the encoding of the text
 * that it goes out with, so that `é` beside a text in UTF-8 becomes two bytes. Fields of outer middleware stay as they are, and so does
 * ETag, by which the handler is asked later.
 *
 * @param body - the body that is sent with the head
 * @param by - the method that sends it; another one than node's may send bytes in place of the text
 */
export function inWireText(fields: FieldList, outer: ResponseHead['outer'], body: unknown, by: unknown): FieldList {
  if (typeof body !== 'string' || body === '' || by !== end || !fields.flat().some(isBeyondAscii)) return fields
  return fields.map((value, at) => {
    const name = String(fields[at - (at % 2)]).toLowerCase()
    if (at % 2 === 0 || name === 'etag' || outer[name] !== undefined) return value
    return typeof value === 'string' ? inUtf8(value) : value.map(inUtf8)
  })
}

function isBeyondAscii(text: string): boolean {
  return BEYOND_ASCII.test(text)
}

const BEYOND_ASCII = /[\u0080-\u00ff]/

function inUtf8(text: string): string {
  return isBeyondAscii(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
