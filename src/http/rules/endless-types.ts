import { type Fields, fieldValue } from '../syntax/fields.js'
import { Remembered } from '../syntax/remembered.js'

/** Media types whose bodies may never end: requests do not wait for them, and they are not stored. In lower case. */
export const ENDLESS_TYPES: ReadonlySet<string> = new Set([
  'text/event-stream',
  'multipart/x-mixed-replace',
  'application/x-ndjson',
])

/** Whether a body of this type may never end, so that no other request should wait for it. */
export function isEndless(response: Fields, types: ReadonlySet<string> = ENDLESS_TYPES): boolean {
  const type = fieldValue(response, 'content-type')
  return type !== undefined && types.has(MEDIA_TYPES.of(type))
}

const MEDIA_TYPES = new Remembered((type) => (type.split(';', 1)[0] ?? '').trim().toLowerCase())
