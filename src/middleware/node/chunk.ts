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
