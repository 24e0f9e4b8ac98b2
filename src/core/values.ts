import type { Entry } from './entry.js'
import { CacheError, textOf } from './errors.js'
import { isThenable } from './thenable.js'

/** A serialized value: its bytes, and the metadata needed to read them. */
export interface SerializedValue {
  readonly body: Buffer
  /** `'b'` if the serializer returned a Buffer, then the computation time in ms: `'b120'`, `'120'`, `''`. */
  readonly meta: string
}

/**
 * Converts values to bytes and back, with the `serializer` and `deserializer` options. Deserialized values are always
 * new.
 */
export class ValueCodec {
  readonly #serializer: (value: unknown) => string | Buffer
  readonly #deserializer: (data: never) => unknown

  constructor(serializer: (value: unknown) => string | Buffer, deserializer: (data: never) => unknown) {
    this.#serializer = serializer
    this.#deserializer = deserializer
  }

  /**
   * @param cost - the computation time of the value in ms @throws CacheError `serializer` if it cannot be serialized
   */
  serialize(value: unknown, cost: number): SerializedValue {
    const spent = cost > 0 ? String(Math.round(cost)) : ''
    try {
      const data: unknown = this.#serializer(value)
      if (typeof data === 'string') return { body: ownText(data), meta: spent }
      if (Buffer.isBuffer(data)) return { body: ownBytes(data), meta: `b${spent}` }
      if (isThenable(data)) {
        Promise.resolve(data).catch(() => {})
        throw new TypeError('the serializer returned a promise: it must return a string or a Buffer')
      }
      throw new TypeError(`the serializer returned ${data === null ? 'null' : typeof data}, not a string or a Buffer`)
    } catch (thrown) {
      throw new CacheError('serializer', `the value cannot be serialized: ${textOf(thrown)}`, thrown)
    }
  }

  /**
   * Returns a promise if the deserializer is asynchronous. @throws CacheError `serializer` if the bytes cannot be read
   */
  deserialize({ body, meta }: SerializedValue): unknown {
    const data = meta.startsWith('b') ? Buffer.from(body) : body.toString()
    try {
      const value = this.#deserializer(data as never)
      // A promise of a library is one as well.
      return isThenable(value) ? Promise.resolve(value).catch(unreadable) : value
    } catch (thrown) {
      return unreadable(thrown)
    }
  }
}

function unreadable(thrown: unknown): never {
  throw new CacheError('serializer', `the value cannot be deserialized: ${textOf(thrown)}`, thrown)
}

/** The computation time of this entry's value, in ms; 0 if unknown. */
export function costOf(entry: Entry): number {
  return Number(entry.meta.replace('b', '')) || 0
}

/** Encodes into a Buffer of its own, because a slice of a pooled Buffer would keep the whole pool alive. */
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
