import * as zlib from 'node:zlib'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { type Fields, fieldValue } from '../syntax/fields.js'
import type { InputsPolicy } from './inputs-policy.js'
import type { InputsRead } from './inputs-read.js'

/** A text of the request that the key does not hold, by the name that the options have for it. */
export interface UnkeyedText {
  readonly input: string
  readonly text: string
}

/**
 * Texts of a request that its handler could send back, although no key and no selecting field holds them: values of the neutral fields
 * that it has read, and parameters that the option `query` leaves out, which are read wherever the URL is.
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
    // Hidden from handlers; a body may well contain its own entity tag.
    if (input === 'if-none-match' || input === 'if-modified-since') continue
    const text = fieldValue(request.headers, input)?.trim() ?? ''
    if (text.length >= SHORTEST && !selecting.includes(input) && !ignored.has(input)) texts.push({ input, text })
  }
  if (keyedParameters !== undefined) texts.push(...unkeyedPairs(request.url, keyedParameters, ignored))
  return texts
}

/**
 * The first of some texts that a response contains, as it is or as HTML, JSON or a URL has it; `undefined`: none. A text counts as
 * contained where looking for it would take too long.
 *
 * @param fields - the stored ones
 */
export function reflectedText(texts: readonly UnkeyedText[], fields: Fields, body: Buffer): UnkeyedText | undefined {
  if (texts.length === 0) return undefined
  const plain = decoded(fieldValue(fields, 'content-encoding'), body)
  const head = Object.keys(fields)
    // A validator may be what a condition has named.
    .filter((name) => name !== 'etag' && name !== 'last-modified' && name !== 'cache-control')
    .map((name) => fieldValue(fields, name))
    .join('\n')
  let left = MOST_SEARCHED
  return texts.find(({ text }) =>
    spellings(text).some((one) => {
      left -= plain?.length ?? 0
      return head.includes(one) || plain === undefined || left < 0 || plain.includes(one)
    }),
  )
}

/** Characters. Shorter texts are in many responses by chance. */
const SHORTEST = 8

/** So many parameters of a query are looked for. */
const MOST_PAIRS = 32

/** The largest body that is decoded, in bytes; a larger one counts as containing the text. */
const LARGEST = 2 ** 22

/** Bytes that are searched for one response, over all texts; beyond them a text counts as found. Clients choose how many texts there are. */
const MOST_SEARCHED = 2 ** 24

const NONE: readonly UnkeyedText[] = Object.freeze([])

function unkeyedPairs(url: string, keyed: readonly string[], ignored: ReadonlySet<string>): readonly UnkeyedText[] {
  const start = url.indexOf('?')
  if (start < 0) return NONE
  const texts: UnkeyedText[] = []
  for (const text of url.slice(start + 1).split('&', MOST_PAIRS)) {
    const [name = ''] = text.split('=', 1)
    const input = `query:${name}`
    if (text.length >= SHORTEST && !keyed.includes(name) && !ignored.has(input)) texts.push({ input, text })
  }
  return texts
}

/** A text as it is, in HTML, in JSON, in a URL, and decoded from one. */
function spellings(text: string): readonly string[] {
  const html = text.replace(/[&<>"']/g, (one) => ENTITIES[one] ?? one)
  const forms = [text, html, html.replaceAll('&#39;', '&#x27;'), JSON.stringify(text).slice(1, -1)]
  try {
    forms.push(encodeURIComponent(text), decodeURIComponent(text))
  } catch {
    // Half of a surrogate pair, or a percent sign that begins no escape: no handler has decoded it either.
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

/** The bytes before they were encoded; `undefined` where that cannot be told. */
function decoded(coding: string | undefined, body: Buffer): Buffer | undefined {
  const name = coding?.trim().toLowerCase() ?? 'identity'
  if (name === 'identity' || name === '') return body
  const decode = DECODERS.get(name)
  try {
    return decode?.(body, { maxOutputLength: LARGEST })
  } catch {
    return undefined
  }
}

const zstd: unknown = Reflect.get(zlib, 'zstdDecompressSync')

const DECODERS: ReadonlyMap<string, (body: Buffer, options: { readonly maxOutputLength: number }) => Buffer> = new Map([
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  ['deflate', inflateSync],
  ['br', brotliDecompressSync],
  // Since Node.js 22.15.
  ...(typeof zstd === 'function' ? ([['zstd', zstd as typeof gunzipSync]] as const) : []),
])
