import { type CacheControl, parseCacheControl } from '../syntax/cache-control.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import { type Fields, fieldValue, hasField } from '../syntax/fields.js'

/** Smaller bodies (in bytes) are not encoded: the additional fields and the packet overhead outweigh the savings. */
export const MIN_ENCODED_LENGTH = 1024

/** The properties of a response that determine whether it may be encoded. */
export interface Encodable {
  readonly status: number
  /** The fields of the route, with the Cache-Control of outer middleware. */
  readonly fields: Fields
  /** The directives that decide about storing. */
  readonly control: CacheControl
  /** The length of the body in bytes, if known. */
  readonly length: number | undefined
}

/**
 * The codings of the `precompress` option to encode a response with: all of them, or none if the body is small, of a
 * type that is already compressed, already encoded or partial, or if the response is signed or has `no-transform` (RFC
 * 9110, section 7.7).
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

/**
 * Whether general-purpose compression reduces bodies of a media type: texts, and a few formats without compression of
 * their own.
 */
export function isCompressible(contentType: string | undefined): boolean {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (TEXT.test(type)) return type !== 'text/event-stream'
  return OTHERS.has(type)
}

const NONE: readonly ContentCoding[] = Object.freeze([])

/** Statuses without content or with a part of it. */
const NOT_WHOLE: ReadonlySet<number> = new Set([204, 205, 206, 304])

/** A signature may cover the digest of the content (RFC 9421), which encoding would change. */
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
