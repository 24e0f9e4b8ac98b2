/**
 * Copies bytes. A large copy gets memory of its own; small ones come from a shared pool, because they are copied again
 * when stored.
 */
export function ownBytes(bytes: Uint8Array | string): Buffer {
  if (bytes.length <= SMALL) return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes)
  const own = Buffer.allocUnsafeSlow(byteLength(bytes))
  if (typeof bytes === 'string') own.write(bytes, 'utf8')
  else own.set(bytes)
  return own
}

const SMALL = 4096

/** Length in bytes; strings are counted as UTF-8. */
export function byteLength(bytes: Uint8Array | string): number {
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength
}
