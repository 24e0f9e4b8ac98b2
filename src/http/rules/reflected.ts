import { type Fields, fieldValue } from '../syntax/fields.js'
import type { InputsPolicy } from './inputs-policy.js'
import type { InputsRead } from './inputs-read.js'
import { RESPONSE_FIELD } from './neutral-response-fields.js'

/** A value of the request that is not part of the key, with its name in the options. */
export interface UnkeyedText {
  readonly input: string
  readonly text: string
}

/**
 * Lists values of a request that its handler could include in the response although they are not part of the key or of
 * the selecting fields: neutral fields that it has read, and parameters that the option `query` leaves out, which are
 * visible wherever the URL is.
 *
 * @param selecting - the selecting fields of the response
 */
export function unkeyedTexts(
  read: InputsRead,
  request: { readonly url: string; readonly headers: Fields },
  selecting: readonly string[],
  { ignored }: InputsPolicy,
): readonly UnkeyedText[] {
  const { neutral, keyedParameters } = read
  if (neutral.size === 0 && keyedParameters === undefined) return NONE
  const texts: UnkeyedText[] = []
  for (const input of neutral) {
    const text = (neutralText(read, input) ?? fieldValue(request.headers, input))?.trim() ?? ''
    if (!isOrdinary(input, text) && !selecting.includes(input) && !ignored.has(input)) texts.push({ input, text })
  }
  if (keyedParameters !== undefined) texts.push(...unkeyedPairs(request.url, keyedParameters, ignored))
  return texts
}

/**
 * Finds the first value that a response contains, literally or encoded for HTML, JSON or a URL; `undefined` if there is
 * none. If the search would take too long, the value counts as found.
 *
 * @param fields - the stored fields
 */
export function reflectedText(texts: readonly UnkeyedText[], fields: Fields, body: Buffer): UnkeyedText | undefined {
  if (texts.length === 0) return undefined
  const plain = decoded(fieldValue(fields, 'content-encoding'), body)
  const head = Object.keys(fields)
    .filter((name) => !UNSEARCHED.has(name))
    .map((name) => fieldValue(fields, name))
    .join('\n')
  let left = MOST_SEARCHED
  return texts.find(({ input, text }) => {
    const isGlue = input.startsWith('query:') ? isAlphanumeric : isDigit
    return spellings(text).some((one) => {
      left -= plain?.length ?? 0
      return isWithin(head, one, isGlue) || plain === undefined || left < 0 || isWithin(plain, one, isGlue)
    })
  })
}

/** Validators, which may equal the value of a condition, and fields of numbers and dates, which contain short values by chance. */
const UNSEARCHED: ReadonlySet<string> = new Set([
  ...['cache-control', 'content-length', 'date', 'etag', 'expires', 'last-modified'],
])

/** Whether a value is one that many clients send, and that many responses contain by chance. */
function isOrdinary(input: string, text: string): boolean {
  return text === '' || input === 'content-length' || ORDINARY.has(text.toLowerCase())
}

const ORDINARY: ReadonlySet<string> = new Set(['chunked', 'close', 'deflate', 'gzip', 'h2c', 'upgrade'])

/**
 * Whether a text or a body contains a value. Many texts contain a short one by chance: that of a parameter counts only
 * between other characters than letters and digits, a short number only if no digit stands before or after it.
 *
 * @param isGlue - tells which characters make a short value a part of something else
 */
function isWithin(whole: string | Buffer, text: string, isGlue: (code: number) => boolean): boolean {
  if (text.length >= SHORT_BELOW || (isGlue === isDigit && !NUMBER.test(text))) return whole.includes(text)
  const width = typeof whole === 'string' ? text.length : Buffer.byteLength(text)
  for (let at = whole.indexOf(text); at >= 0; at = whole.indexOf(text, at + 1)) {
    if (!isGlue(codeAt(whole, at - 1)) && !isGlue(codeAt(whole, at + width))) return true
  }
  return false
}

const SHORT_BELOW = 8

const NUMBER = /^\d+$/

/** `NaN` before the beginning and after the end. */
function codeAt(whole: string | Buffer, at: number): number {
  return typeof whole === 'string' ? whole.charCodeAt(at) : (whole[at] ?? Number.NaN)
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

function isAlphanumeric(code: number): boolean {
  return isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
}

/** Maximum number of query parameters that are searched for. */
const MOST_PAIRS = 32

/** Maximum size of a decoded body, in bytes; a larger body counts as containing the value. */
const LARGEST = 2 ** 22

/**
 * Maximum number of bytes searched per response, over all values, because clients control their number; beyond it, a
 * value counts as found.
 */
const MOST_SEARCHED = 2 ** 24

const NONE: readonly UnkeyedText[] = Object.freeze([])

/** The value of an identifier or a response field that middleware in front has set; `undefined` for other inputs. */
function neutralText({ fieldsBefore, identifiers }: InputsRead, input: string): string | undefined {
  if (!input.startsWith(RESPONSE_FIELD)) return identifiers.get(input)
  const value = fieldsBefore[input.slice(RESPONSE_FIELD.length)]
  return typeof value === 'object' ? value.join(', ') : String(value ?? '')
}

function unkeyedPairs(url: string, keyed: readonly string[], ignored: ReadonlySet<string>): readonly UnkeyedText[] {
  const start = url.indexOf('?')
  if (start < 0) return NONE
  const texts: UnkeyedText[] = []
  for (const text of url.slice(start + 1).split('&', MOST_PAIRS)) {
    const [name = ''] = text.split('=', 1)
    const input = `query:${name}`
    if (text.includes('=') && !keyed.includes(name) && !ignored.has(input)) texts.push({ input, text })
  }
  return texts
}

/** The forms of a value: literal, encoded for HTML, JSON and a URL, and decoded from a URL. */
function spellings(text: string): readonly string[] {
  const html = text.replace(/[&<>"']/g, (one) => ENTITIES[one] ?? one)
  const forms = [text, html, html.replaceAll('&#39;', '&#x27;'), JSON.stringify(text).slice(1, -1)]
  try {
    forms.push(encodeURIComponent(text), decodeURIComponent(text))
  } catch {
    // Half of a surrogate pair, or an invalid percent-escape, which no handler can have decoded either.
  }
  return [...new Set(forms)]
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Removes the content coding of a body; `undefined` if that is impossible. */
function decoded(coding: string | undefined, body: Buffer): Buffer | undefined {
  const name = coding?.trim().toLowerCase() ?? 'identity'
  if (name === 'identity' || name === '') return body
  decoders ??= newDecoders()
  const decode = decoders.get(name)
  try {
    return decode?.(body, { maxOutputLength: LARGEST })
  } catch {
    return undefined
  }
}

type Decoder = (body: Buffer, options: { readonly maxOutputLength: number }) => Buffer

let decoders: ReadonlyMap<string, Decoder> | undefined

function newDecoders(): ReadonlyMap<string, Decoder> {
  // Not an import, which would load it for every user.
  const zlib = process.getBuiltinModule('node:zlib')
  const { brotliDecompressSync, gunzipSync, inflateSync } = zlib
  // Since Node.js 22.15.
  const zstd: unknown = Reflect.get(zlib, 'zstdDecompressSync')
  return new Map<string, Decoder>([
    ['gzip', gunzipSync],
    ['x-gzip', gunzipSync],
    ['deflate', inflateSync],
    ['br', brotliDecompressSync],
    ...(typeof zstd === 'function' ? ([['zstd', zstd as Decoder]] as const) : []),
  ])
}
