import type { ServerResponse } from 'node:http'
import type { FieldList, FieldValue } from '../../http/port/index.js'

/**
 * Has Node.js send the letters of Content-Disposition as they are: it reads them as UTF-8 if it knows the length of the
 * body, which damages a name in latin1 (RFC 6266, section 4.3). A Node.js that does not look at this property is not
 * affected.
 */
export function keepFileName(response: ServerResponse, fields: FieldList): void {
  if (!fields.some(isDisposition)) return
  Object.defineProperty(response, '_contentLength', { get: () => null, set: () => {}, configurable: true })
}

function isDisposition(name: FieldValue): boolean {
  return name.length === 19 && String(name).toLowerCase() === 'content-disposition'
}
