import { cookieValue, filledText } from '../../http/port/index.js'

/** Where cookie-parser puts the cookies of a request. */
export interface ParsedCookies {
  readonly cookies?: unknown
  readonly signedCookies?: unknown
}

/**
 * The parsed cookies that the Cookie field does not have, by name: middleware in front has set them, or another value;
 * `undefined` if there are none.
 */
export function addedCookies(parsed: ParsedCookies, field: string | undefined): object | undefined {
  const cookies = othersIn(parsed.cookies, field, isCookie)
  const signed = othersIn(parsed.signedCookies, field, isSignedCookie)
  return cookies === undefined && signed === undefined ? undefined : { cookies, signed }
}

type IsSent = (sent: string, value: unknown) => boolean

function othersIn(parsed: unknown, field: string | undefined, isSent: IsSent): Record<string, unknown> | undefined {
  if (typeof parsed !== 'object' || parsed === null) return undefined
  let others: Record<string, unknown> | undefined
  for (const [name, value] of Object.entries(parsed)) {
    const sent = cookieValue(field, name)
    if (sent !== null && isSent(sent, value)) continue
    others ??= {}
    others[name] = value
  }
  return others
}

/** Whether one of the parts of a Cookie field that may be this cookie has this value. */
function isCookie(sent: string, value: unknown): boolean {
  return sent.split(';').some((part) => {
    const raw = part.slice(part.indexOf('=') + 1).trim()
    if (raw === value) return true
    const text = decoded(raw)
    if (text === value) return true
    return typeof value === 'object' && text.startsWith('j:') && filledText(jsonOf(text.slice(2))) === filledText(value)
  })
}

/** A signed cookie with a wrong signature is `false`. */
function isSignedCookie(sent: string, value: unknown): boolean {
  if (value === false) return true
  const start = typeof value === 'object' ? 's:j:' : `s:${String(value)}.`
  return sent.split(';').some((part) => decoded(part.slice(part.indexOf('=') + 1).trim()).startsWith(start))
}

/** The value of a cookie without quotes and percent-encoding. */
function decoded(raw: string): string {
  const text = raw.length > 1 && raw.startsWith('"') && raw.endsWith('"') ? raw.slice(1, -1) : raw
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
