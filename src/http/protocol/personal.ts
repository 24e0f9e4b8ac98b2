import { isPlain } from '../../core/plain-object.js'
import type { ResponseHead } from '../port/recording.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { Remembered } from '../syntax/remembered.js'

/** Whether there is a logged-in user, or a session that contains data. */
export function isLoggedIn(user: unknown, session: unknown): boolean {
  return (user !== undefined && user !== null && user !== false) || isUsed(session)
}

/**
 * Whether an HTML page contains a Content-Security-Policy nonce. A nonce is valid for one response: if the page were
 * stored, its scripts would be blocked or unprotected.
 */
export function carriesNonce(head: ResponseHead): boolean {
  const type = fieldOf(head, 'content-type')
  // Without Content-Type, browsers may detect HTML by themselves.
  if (type !== undefined && !HTML.of(type)) return false
  return POLICIES.some((name) => /'nonce-/i.test(fieldOf(head, name) ?? ''))
}

const HTML = new Remembered((type) => /html/i.test(type))

const POLICIES = ['content-security-policy', 'content-security-policy-report-only'] as const

function fieldOf(head: ResponseHead, name: string): string | undefined {
  const fields: Fields = { value: head.field(name) }
  return fieldValue(fields, 'value')
}

/** Whether a session contains data: session middleware creates a session for every visitor, even without a user. */
function isUsed(session: unknown): boolean {
  if (typeof session !== 'object' || session === null) return Boolean(session)
  const names = Object.getOwnPropertyNames(session)
  if (names.some((name) => isFilled(session, name))) return true
  if (isPlain(session)) return false
  // What an object of another class holds may be private: a Map, or a session of one's own.
  return !names.some(isBookkeeping)
}

/** Whether a session has something under a name. Middleware hides its own properties, and the methods of a session. */
function isFilled(session: object, name: string): boolean {
  const isHidden = !Object.prototype.propertyIsEnumerable.call(session, name)
  if (BOOKKEEPING.has(name) || (isHidden && isBookkeeping(name))) return false
  const value: unknown = Reflect.get(session, name)
  return !isEmpty(value) && !(isHidden && typeof value === 'function')
}

/** Whether a property is internal to express-session, cookie-session or koa-session. */
function isBookkeeping(name: string): boolean {
  return BOOKKEEPING.has(name) || name === 'id' || name === 'req' || name.startsWith('_')
}

/** Not all that begins with an underscore: lusca stores the secret of its tokens as `_csrfSecret`. */
const BOOKKEEPING: ReadonlySet<string> = new Set(['cookie', 'isNew', '_expire', '_maxAge'])

/** Whether a value is empty: Passport puts an empty object into the session of visitors who are not logged in. */
function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === undefined || value === null
  return (isPlain(value) || Array.isArray(value)) && Object.keys(value).length === 0
}
