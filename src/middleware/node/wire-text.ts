import { OutgoingMessage } from 'node:http'
import type { FieldList, ResponseHead } from '../../http/port/index.js'

const { end } = OutgoingMessage.prototype

/**
 * Converts field values to the bytes on the wire, one character per byte. Node.js writes a head in the encoding of the
 * body string that it is sent with, so that `é` with a UTF-8 body becomes two bytes. Fields of outer middleware are
 * unchanged, and so is ETag, which is later sent to the handler for revalidation. Content-Disposition is latin1 in any case
 * (RFC 6266, section 4.3), of which Node.js damages what it sends with a whole body.
 *
 * @param body - the body that is sent with the head
 * @param by - the method that sends it; a method other than Node.js's own may send bytes instead of the string
 */
export function inWireText(fields: FieldList, outer: ResponseHead['outer'], body: unknown, by: unknown): FieldList {
  if (typeof body !== 'string' || body === '' || by !== end || !isAnyBeyondAscii(fields)) return fields
  return fields.map((value, at) => {
    const name = String(fields[at - (at % 2)]).toLowerCase()
    if (at % 2 === 0 || AS_SET.has(name) || outer[name] !== undefined) return value
    return typeof value === 'string' ? inUtf8(value) : value.map(inUtf8)
  })
}

const AS_SET: ReadonlySet<string> = new Set(['content-disposition', 'etag'])

/** Like {@link inWireText}, for a reason phrase. */
export function textOnWire(text: string, body: unknown, by: unknown): string {
  return typeof body !== 'string' || body === '' || by !== end ? text : inUtf8(text)
}

function isAnyBeyondAscii(texts: FieldList): boolean {
  for (const text of texts) if (typeof text === 'string' ? isBeyondAscii(text) : text.some(isBeyondAscii)) return true
  return false
}

function isBeyondAscii(text: string): boolean {
  return BEYOND_ASCII.test(text)
}

const BEYOND_ASCII = /[\u0080-\u00ff]/

function inUtf8(text: string): string {
  return isBeyondAscii(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
