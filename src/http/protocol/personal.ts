import type { ResponseHead } from '../port/exchange.js'
import { type Fields, fieldValue } from '../syntax/fields.js'

/** Whether a response was made for somebody who is logged in, or who has a session with something in it. */
export function isLoggedIn(user: unknown, session: unknown): boolean {
  return (user !== undefined && user !== null && user !== false) || isUsed(session)
}

/** Whether a page is bound by the nonce of its Content-Security-Policy to this one response: stored, its scripts are blocked or unprotected. */
export function carriesNonce(head: ResponseHead): boolean {
  const type = fieldOf(head, 'content-type')
  // Without a type, browsers find out by themselves that it is HTML.
  if (type !== undefined && !/html/i.test(type)) return false
  return POLICIES.some((name) => /'nonce-/i.test(fieldOf(head, name) ?? ''))
}

const POLICIES = ['content-security-policy', 'content-security-policy-report-only'] as const

function fieldOf(head: ResponseHead, name: string): string | undefined {
  const fields: Fields = { value: head.field(name) }
  return fieldValue(fields, 'value')
}

/** Session middleware makes a session for everybody; it tells of a user only when something was put into it. */
function isUsed(session: unknown): boolean {
  if (typeof session !== 'object' || session === null) return false
  return Object.keys(session).some((name) => !isBookkeeping(name) && !isEmpty(Reflect.get(session, name)))
}

/** What express-session, cookie-session and koa-session keep in the session themselves. */
function isBookkeeping(name: string): boolean {
  return name === 'cookie' || name === 'isNew' || name.startsWith('_')
}

/** Passport puts an empty object into the session of a visitor who is not logged in. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}
