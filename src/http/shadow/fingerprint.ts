import { createHash, type Hash, randomBytes } from 'node:crypto'
import { isSecretField } from '../rules/credentials.js'
import { NEUTRAL_FIELDS } from '../rules/neutral-fields.js'
import type { Fields } from '../syntax/fields.js'

/** What shadow mode keeps of a response in place of its body. */
export interface Fingerprint {
  /** A digest of status, Location and body. */
  readonly content: string
  /** A digest of what identifies the visitor that the response was made for; see {@link visitorOf}. */
  readonly visitor: string
  /** The length of the body in bytes. */
  readonly size: number
}

/** Characters of a digest of content, and of one of a visitor. */
const CONTENT = 16
const VISITOR = 8
const LENGTH = CONTENT + VISITOR + 8

/** The digest of a response while it is sent. */
export class ContentDigest {
  size = 0
  readonly #hash: Hash

  /** @param location - the field Location, by which redirections differ */
  constructor(status: number, location: unknown) {
    this.#hash = createHash('sha256').update(`${status} ${location ?? ''}\n`)
  }

  /** @param chunk - a string is UTF-8 */
  add(chunk: Uint8Array | string): this {
    this.size += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length
    this.#hash.update(chunk)
    return this
  }

  end(): string {
    return this.#hash.digest('binary').slice(0, CONTENT)
  }
}

/** A fingerprint as the body of an entry. */
export function packed({ content, visitor, size }: Fingerprint): Buffer {
  const bytes = Buffer.alloc(LENGTH)
  bytes.write(content, 0, 'latin1')
  bytes.write(visitor, CONTENT, 'latin1')
  bytes.writeDoubleLE(size, CONTENT + VISITOR)
  return bytes
}

/** The fingerprint in the body of an entry; `undefined` if the body holds none, as that of a marker. */
export function unpacked(bytes: Buffer): Fingerprint | undefined {
  if (bytes.length !== LENGTH) return undefined
  const size = bytes.readDoubleLE(CONTENT + VISITOR)
  // A marker may be as long.
  if (!Number.isSafeInteger(size) || size < 0) return undefined
  return {
    content: bytes.toString('latin1', 0, CONTENT),
    visitor: bytes.toString('latin1', CONTENT, CONTENT + VISITOR),
    size,
  }
}

/**
 * A digest of the request fields by which an application can tell visitors apart: cookies, credentials, and fields with
 * `x-` that proxies set for a visitor. The same text for all requests without any of them.
 */
export function visitorOf(headers: Fields): string {
  const names = Object.keys(headers).filter((name) => headers[name] !== undefined && tellsVisitors(name))
  if (names.length === 0) return ANONYMOUS
  const hash = createHash('sha256').update(SALT)
  for (const name of names.sort()) hash.update(JSON.stringify([name, headers[name]]))
  return hash.digest('binary').slice(0, VISITOR)
}

function tellsVisitors(name: string): boolean {
  if (isSecretField(name)) return true
  return name.startsWith('x-') && !NEUTRAL_FIELDS.has(name) && !PER_REQUEST.test(name)
}

/** Fields that have another value in each request of the same visitor. */
const PER_REQUEST =
  /^x-(?:amz-cf-id|amzn-trace-id|arr-log-id|azure-ref|b3-|cloud-trace-context|datadog-|forwarded-(?:host|port|proto)|ot-span-context|request-start|vercel-id)/

/** A digest cannot be compared with those of another process, or of known cookies. */
const SALT = randomBytes(16)

const ANONYMOUS = '\0'.repeat(VISITOR)
