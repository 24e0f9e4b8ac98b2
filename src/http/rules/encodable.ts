import { type CacheControl, parseCacheControl } from '../syntax/cache-control.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import { type Fields, fieldValue, hasField } from '../syntax/fields.js'

/** Below this many bytes a body is sent as it is: what would be saved is less than what fields and a packet cost. */
export const MIN_ENCODED_LENGTH = 1024

/** What decides whether a response may be encoded. */
export interface Encodable {
  readonly status: number
  /** The fields of the route, and what outer middleware says in Cache-Control. */
  readonly fields: Fields
  /** The directives that decide about storing. */
  readonly control: CacheControl
  /** The length of the body, as far as it is known. */
  readonly length: number | undefined
}

/**
 * The codings of the `precompress` option that a response is going to be encoded with: all of them, or none for a body that is
 * small or of a type that is compressed already, for one that has a coding, for a part, and for a response that says
 * `no-transform` (RFC 9110, section 7.7) or is signed.
 */
export function codingsFor(
  codings: readonly ContentCoding[] | undefined,
  { status, fields, control, length }: Encodable,
): readonly ContentCoding[] {
  if (codings === undefined || codings.length === 0) return NONE
  if (NOT_WHOLE.has(status) || (length !== undefined && length < MIN_ENCODED_LENGTH)) return NONE
  if (FORBIDDING.some((name) => hasField(fields, name))) return NONE
  if (control.noTransform || parseCacheControl(fieldValue(fields, 'cache-control') ?? '').noTransform) return NONE
  return isCompressible(fieldValue(fields, 'content-type')) ? codings : NONE
}

/** Whether bodies of a media type get smaller by a general-purpose compression: texts, and the few formats that have none of their own. */
export function isCompressible(contentType: string | undefined): boolean {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (TEXT.test(type)) return type !== 'text/event-stream'
  return OTHERS.has(type)
}

const NONE: readonly ContentCoding[] = Object.freeze([])

/** No content, or a part of it. */
const NOT_WHOLE: ReadonlySet<number> = new Set([204, 205, 206, 304])

/** A signature may cover the digest of the content (RFC 9421), which is another one once it is encoded. */
const FORBIDDING: readonly string[] = ['content-encoding', 'content-range', 'signature']

const TEXT = /^(?:text\/[^/]+|[^/]+\/[^/]+\+(?:json|json-seq|text|xml|yaml))$/

const OTHERS: ReadonlySet<string> = new Set([
  'application/dart',
  'application/ecmascript',
  'application/graphql',
  'application/javascript',
  'application/json',
  'application/json5',
  'application/postscript',
  'application/rtf',
  'application/sql',
  'application/toml',
  'application/vnd.ms-fontobject',
  'application/wasm',
  'application/x-httpd-php',
  'application/x-javascript',
  'application/x-ndjson',
  'application/x-sh',
  'application/x-web-app-manifest+json',
  'application/x-www-form-urlencoded',
  'application/x-yaml',
  'application/xml',
  'application/xml-dtd',
  'application/yaml',
  'font/otf',
  'font/ttf',
  'image/bmp',
  'image/vnd.microsoft.icon',
  'image/x-icon',
])
