import { filledText } from '../../http/port/index.js'

/** Where cookie-parser puts the cookies of a request. */
export interface ParsedCookies {
  readonly cookies?: unknown
  readonly signedCookies?: unknown
}

/**
 * The parsed cookies that the Cookie field does not have, by name: middleware in front has set them, or another value;
 * `undefined` if there are none.
 */
export function addedCookies({ cookies, signedCookies }: ParsedCookies, field: string | undefined): object | undefined {
  if (!isFilled(cookies) && !isFilled(signedCookies)) return undefined
  const sent = sentValues(field)
  const plain = othersIn(cookies, sent, isCookie)
  const signed = othersIn(signedCookies, sent, isSignedCookie)
  return plain === undefined && signed === undefined ? undefined : { cookies: plain, signed }
}

type SentValues = ReadonlyMap<string, readonly string[]>

/** The values in a Cookie field by name, as they were sent: a name may come more than once. */
function sentValues(field = ''): SentValues {
  const values = new Map<string, string[]>()
  for (const part of field.split(';')) {
    const equals = part.indexOf('=')
    if (equals < 0) continue
    const name = part.slice(0, equals).trim()
    const known = values.get(name)
    if (known === undefined) values.set(name, [part.slice(equals + 1).trim()])
    else known.push(part.slice(equals + 1).trim())
  }
  return values
}

function isFilled(parsed: unknown): parsed is Readonly<Record<string, unknown>> {
  if (typeof parsed !== 'object' || parsed === null) return false
  for (const _name in parsed) return true
  return false
}

/** Whether a cookie that was sent with these bytes has this value; the value of a JSON cookie comes as text too. */
type IsSent = (sent: string, value: unknown, text: string | null | undefined) => boolean

function othersIn(parsed: unknown, sent: SentValues, isSent: IsSent): Record<string, unknown> | undefined {
  if (!isFilled(parsed)) return undefined
  const others = Object.entries(parsed).filter(([name, value]) => {
    // Once for all cookies of the name, whose number the client chooses.
    const text = typeof value === 'object' ? filledText(value) : undefined
    return sent.get(name)?.some((raw) => isSent(raw, value, text)) !== true
  })
  return others.length === 0 ? undefined : Object.fromEntries(others)
}

function isCookie(raw: string, value: unknown, text: string | null | undefined): boolean {
  return raw === value || isValue(decoded(raw), value, text)
}

/** A signed cookie with a wrong signature is `false`. */
function isSignedCookie(raw: string, value: unknown, text: string | null | undefined): boolean {
  const sent = decoded(raw)
  return value === false || (sent.startsWith('s:') && isValue(sent.slice(2, sent.lastIndexOf('.')), value, text))
}

function isValue(sent: string, value: unknown, text: string | null | undefined): boolean {
  // A value without a text cannot be compared.
  return (
    sent === value || (typeof text === 'string' && sent.startsWith('j:') && filledText(jsonOf(sent.slice(2))) === text)
  )
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
