import type { Entry } from './entry.js'
import { CacheError } from './errors.js'

/** What a value is in an entry: its bytes, and what must be known to read them. */
export interface SerializedValue {
  readonly body: Buffer
  /** `'b'` when the serializer gave a Buffer, then how long the value took to make, ms: `'b120'`, `'120'`, `''`. */
  readonly meta: string
}

/** Values to bytes and back, by the `serializer` and `deserializer` options. What comes back is never what went in. */
export class ValueCodec {
  readonly #serializer: (value: unknown) => string | Buffer
  readonly #deserializer: (data: never) => unknown

  constructor(serializer: (value: unknown) => string | Buffer, deserializer: (data: never) => unknown) {
    this.#serializer = serializer
    this.#deserializer = deserializer
  }

  /** @param cost - how long the value took to make, ms @throws CacheError `serializer` when it has no serialised form */
  serialize(value: unknown, cost: number): SerializedValue {
    const spent = cost > 0 ? String(Math.round(cost)) : ''
    try {
      const data: unknown = this.#serializer(value)
      if (typeof data === 'string') return { body: ownText(data), meta: spent }
      if (Buffer.isBuffer(data)) return { body: ownBytes(data), meta: `b${spent}` }
      if (data instanceof Promise) {
        data.catch(() => {})
        throw new TypeError('the serializer gave a promise: it must give the string or Buffer itself')
      }
      throw new TypeError(`the serializer gave ${data === null ? 'null' : typeof data}, not a string or a Buffer`)
    } catch (thrown) {
      throw new CacheError('serializer', `the value cannot be serialised: ${String(thrown)}`, thrown)
    }
  }

  /** May be a promise, when the deserializer is asynchronous. @throws CacheError `serializer` when the bytes cannot be read */
  deserialize({ body, meta }: SerializedValue): unknown {
    const data = meta.startsWith('b') ? Buffer.from(body) : body.toString()
    try {
      const value = this.#deserializer(data as never)
      return value instanceof Promise ? value.catch(unreadable) : value
    } catch (thrown) {
      return unreadable(thrown)
    }
  }
}

function unreadable(thrown: unknown): never {
  throw new CacheError('serializer', `the value cannot be deserialised: ${String(thrown)}`, thrown)
}

/** How long the value of this entry took to make, ms; 0 when that is not known. */
export function costOf(entry: Entry): number {
  return Number(entry.meta.replace('b', '')) || 0
}

/** Bytes in a buffer of their own: a slice of a pooled one would keep the whole pool alive. */
function ownText(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  bytes.write(text, 0)
  return bytes
}

function ownBytes(data: Buffer): Buffer {
  const bytes = Buffer.allocUnsafeSlow(data.length)
  data.copy(bytes)
  return bytes
}
