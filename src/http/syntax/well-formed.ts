import { validateHeaderName, validateHeaderValue } from 'node:http'
import { type CacheControl, NO_DIRECTIVES } from './cache-control.js'
import { type FieldList, type FieldValue, isToken } from './fields.js'

/**
 * Whether a value read from Redis is a final status code (200 to 599). Values from Redis are validated, because other
 * programs may have written them.
 */
export function isFinalStatus(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599
}

/** Whether a value is a valid reason phrase (RFC 9112, section 4). */
export function isReasonPhrase(value: unknown): value is string {
  return typeof value === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

/** Whether a value is a list of header fields that Node.js accepts for sending. */
export function isFieldList(value: unknown): value is FieldList {
  return Array.isArray(value) && value.length % 2 === 0 && value.every((_, at) => at % 2 === 1 || isField(value, at))
}

/** Whether a value is a list of field names. */
export function isFieldNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string' && isToken(name))
}

/** Whether a value is a list of selecting inputs: field names, or other inputs with a prefix (`cookie:theme`). */
export function isInputNames(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) && value.every((name) => typeof name === 'string' && (isToken(name) || name.includes(':')))
  )
}

/** Whether a value is a list of the values of selecting inputs: texts, and `null` for those that are absent. */
export function isInputValues(value: unknown): value is readonly (string | null)[] {
  return Array.isArray(value) && value.every((one) => one === null || typeof one === 'string')
}

/** Whether a value is a non-negative number of seconds or milliseconds in the safe integer range. */
export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isSafeInteger(Math.round(value))
}

/** Whether a value is an object of Cache-Control directives with values of the right types. */
export function isPartOfControl(value: unknown): value is Partial<CacheControl> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(([name, directive]) => {
    const none: unknown = Reflect.get(NO_DIRECTIVES, name)
    if (typeof none === 'boolean') return typeof directive === 'boolean'
    if (Array.isArray(none)) return isFieldNames(directive)
    return isAmount(directive)
  })
}

function isField(list: readonly unknown[], at: number): boolean {
  const name = list[at]
  const value = list[at + 1]
  if (typeof name !== 'string' || !isFieldValue(value)) return false
  try {
    validateHeaderName(name)
    for (const line of [value].flat()) validateHeaderValue(name, line)
    return true
  } catch {
    return false
  }
}

function isFieldValue(value: unknown): value is FieldValue {
  return typeof value === 'string' || (Array.isArray(value) && value.every((line) => typeof line === 'string'))
}
