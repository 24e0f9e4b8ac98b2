/** Whether `write` and `end` of node take this as bytes. Anything else is an error that node reports itself. */
export function isChunk(chunk: unknown): chunk is Uint8Array | string {
  return typeof chunk === 'string' || chunk instanceof Uint8Array
}

/** The bytes of a chunk; text stays text when it is UTF-8, which the recording encodes itself. */
export function bytesOf(chunk: Uint8Array | string, encoding: unknown): Uint8Array | string {
  if (typeof chunk !== 'string') return chunk
  if (typeof encoding !== 'string' || encoding === 'utf8' || encoding === 'utf-8') return chunk
  return Buffer.isEncoding(encoding) ? Buffer.from(chunk, encoding) : chunk
}

/** The callback among the arguments of a `write` or `end`; `undefined`: there is none. */
export function callbackOf(args: readonly unknown[]): ((error?: unknown) => void) | undefined {
  return args.find((arg) => typeof arg === 'function') as ((error?: unknown) => void) | undefined
}
