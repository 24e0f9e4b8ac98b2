import { OutgoingMessage } from 'node:http'
import type { FieldList, ResponseHead } from '../../http/port/index.js'

const { end } = OutgoingMessage.prototype

/**
 * Converts field values to the bytes on the wire, one character per byte. Node.js writes a head in the encoding of the
 * body string that it is sent with, so that `é` with a UTF-8 body becomes two bytes. Fields of outer middleware are
 * unchanged, and so is ETag, which is later sent to the handler for revalidation.
 *
 * @param body - the body that is sent with the head: a string, or bytes; `undefined` if it is sent later
 * @param by - the method that sends it; a method other than Node.js's own may send bytes instead of the string
 */
export function inWireText(
  fields: FieldList,
  outer: ResponseHead['outer'],
  body: Uint8Array | string | undefined,
  by: unknown,
): FieldList {
  if (body === undefined || body.length === 0 || by !== end || !isAnyBeyondAscii(fields)) return fields
  const encoding = typeof body === 'string' ? 'utf8' : 'latin1'
  return fields.map((value, at) => {
    const name = String(fields[at - (at % 2)]).toLowerCase()
    if (at % 2 === 0 || name === 'etag' || outer[name] !== undefined) return value
    const sent = (text: string) => encoded(name === 'content-disposition' ? readAsUtf8(text) : text, encoding)
    return typeof value === 'string' ? sent(value) : value.map(sent)
  })
}

/** What Node.js makes of Content-Disposition if it knows the length of the body: it takes latin1 for UTF-8. */
function readAsUtf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

/** Like {@link inWireText}, for a reason phrase. */
export function textOnWire(text: string, body: unknown, by: unknown): string {
  return typeof body !== 'string' || body === '' || by !== end ? text : encoded(text, 'utf8')
}

function isAnyBeyondAscii(fields: FieldList): boolean {
  // Node.js only takes names of ASCII characters.
  for (let at = 1; at < fields.length; at += 2) {
    const value = fields[at] ?? ''
    if (typeof value === 'string' ? isBeyondAscii(value) : value.some(isBeyondAscii)) return true
  }
  return false
}

function isBeyondAscii(text: string): boolean {
  return BEYOND_ASCII.test(text)
}

/** U+FFFD is among them, which stands for bytes that are not UTF-8. */
const BEYOND_ASCII = /[^\0-\x7f]/

function encoded(text: string, encoding: 'utf8' | 'latin1'): string {
  return isBeyondAscii(text) ? Buffer.from(text, encoding).toString('latin1') : text
}
