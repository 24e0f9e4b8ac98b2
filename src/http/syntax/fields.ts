/**
 * Header fields of a request or a response: lower-case name to value, with repeated lines as an array (RFC 9110,
 * section 5). The shape of Node.js's `IncomingMessage.headers`.
 *
 * Read values with {@link fieldValue}, never by index: Node.js's objects inherit from `Object.prototype`.
 */
export type Fields = Readonly<Record<string, FieldValue | undefined>>

/** A field's value: one line, or several lines (`Set-Cookie`). Adapters never join or split lines. */
export type FieldValue = string | readonly string[]

/** Fields as a flat list: name, value, name, value, …; names in the case in which they are sent. */
export type FieldList = readonly FieldValue[]

/**
 * The combined value of a field: its lines in order, joined by `, ` (RFC 9110, section 5.2); `undefined` if it is
 * absent.
 *
 * @param name - in lower case
 */
export function fieldValue(fields: Fields, name: string): string | undefined {
  const value: unknown = fields[name]
  if (typeof value === 'string') return value
  return Array.isArray(value) ? value.join(', ') : undefined
}

/**
 * The lines of a field in the order they were sent; empty if the field is absent.
 *
 * @param name - in lower case
 */
export function fieldLines(fields: Fields, name: string): readonly string[] {
  const value: unknown = fields[name]
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value : []
}

/**
 * Whether a field is present, even if its value is empty.
 *
 * @param name - in lower case
 */
export function hasField(fields: Fields, name: string): boolean {
  const value: unknown = fields[name]
  return typeof value === 'string' || Array.isArray(value)
}

/**
 * Creates an empty object for fields. It inherits nothing, so that fields named `__proto__` or `constructor` are
 * ordinary fields.
 */
export function emptyFields(): Record<string, string | readonly string[]> {
  return new Bare() as Record<string, string | readonly string[]>
}

/**
 * A class whose instances inherit from an empty prototype without a parent. V8 treats `Object.create(null)` objects as
 * hash tables, which are several times as large.
 */
const Bare = /* @__PURE__ */ bareClass()

function bareClass(): new () => object {
  const made = class {}
  Object.setPrototypeOf(made.prototype, null)
  Reflect.deleteProperty(made.prototype, 'constructor')
  return made
}

/**
 * Splits a list-based field value into its members, trimmed and without empty ones (RFC 9110, section 5.6.1.2). Commas
 * inside quoted strings do not separate; an unclosed quote is an ordinary character.
 */
export function listMembers(value: string): string[] {
  const members: string[] = []
  for (const part of splitList(value)) {
    if (part !== '') members.push(part)
  }
  return members
}

/** Like {@link listMembers}, but including empty members. */
function splitList(value: string): string[] {
  const parts: string[] = []
  let start = 0
  let at = 0
  let quotes = value.includes('"')
  while (at < value.length) {
    const char = value.charCodeAt(at)
    if (char === 0x2c) {
      parts.push(trimWhitespace(value.slice(start, at)))
      start = at + 1
    } else if (char === 0x22 && quotes) {
      const close = closingQuote(value, at)
      if (close === at) quotes = false
      at = close
    }
    at += 1
  }
  parts.push(trimWhitespace(value.slice(start)))
  return parts
}

/** Removes optional whitespace (spaces and tabs) around a value (RFC 9110, section 5.6.3). */
export function trimWhitespace(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isWhitespace(value.charCodeAt(start))) start += 1
  while (end > start && isWhitespace(value.charCodeAt(end - 1))) end -= 1
  return start === 0 && end === value.length ? value : value.slice(start, end)
}

/**
 * Whether a text is a token: one or more characters that need no quotes (RFC 9110, section 5.6.2). Every field name is
 * a token.
 */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** Whether a character code is allowed in a token (RFC 9110, section 5.6.2). */
export function isTokenCharacter(char: number): boolean {
  return char < 0x80 && TOKEN_CHARACTERS[char] === true
}

const TOKEN_CHARACTERS = Array.from({ length: 0x80 }, (_, char) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(char)),
)

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Index of the quote that closes the quote at `open`, or `open` itself if it is not closed (RFC 9110, section 5.6.4).
 */
export function closingQuote(value: string, open: number): number {
  for (let at = open + 1; at < value.length; at += 1) {
    const char = value.charCodeAt(at)
    if (char === 0x22) return at
    if (char === 0x5c) at += 1
  }
  return open
}

function isWhitespace(char: number): boolean {
  return char === 0x20 || char === 0x09
}
