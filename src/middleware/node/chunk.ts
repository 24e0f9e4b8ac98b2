import { OutgoingMessage } from 'node:http'
import { ownBytes } from '../../http/port/index.js'

const { end } = OutgoingMessage.prototype

/**
 * Maximum size in bytes of a body sent as a string, which Node.js joins with the head; larger bodies are sent without a
 * copy.
 */
export const SMALL = 4096

/** Whether `write` and `end` accept a chunk as bytes; for other values Node.js reports an error itself. */
export function isChunk(chunk: unknown): chunk is Uint8Array | string {
  return typeof chunk === 'string' || chunk instanceof Uint8Array
}

/** The bytes of a chunk. UTF-8 text stays a string, because the recording encodes it itself. */
export function bytesOf(chunk: Uint8Array | string, encoding: unknown): Uint8Array | string {
  if (typeof chunk !== 'string') return chunk
  if (typeof encoding !== 'string' || encoding === 'utf8' || encoding === 'utf-8') return chunk
  return Buffer.isEncoding(encoding) ? Buffer.from(chunk, encoding) : chunk
}

/** The callback among the arguments of `write` or `end`, if any. */
export function callbackOf(args: readonly unknown[]): ((error?: unknown) => void) | undefined {
  return args.find((arg) => typeof arg === 'function') as ((error?: unknown) => void) | undefined
}

/** The arguments for `end`, with a small Buffer converted to a string if `end` is Node.js's own; see {@link SMALL}. */
export function inOnePiece(method: unknown, args: unknown[]): unknown[] {
  const [chunk, encoding, callback] = args
  if (method !== end || !Buffer.isBuffer(chunk) || chunk.length > SMALL) return args
  return [chunk.toString('latin1'), 'latin1', typeof encoding === 'function' ? encoding : callback]
}

/** The arguments of `write` or `end` with a copy of the bytes, which a handler may modify before they are sent. */
export function copied(args: unknown[]): unknown[] {
  const [chunk, ...rest] = args
  return chunk instanceof Uint8Array ? [ownBytes(chunk), ...rest] : args
}
