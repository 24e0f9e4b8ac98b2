/** The key of a value that belongs to another key and is retired with it. @param hash - 12 hexadecimal digits */
export function derivedKey(key: string, hash: string): string {
  return `${key}:${hash}`
}

/** The key from which a key was derived, judging by its form; `undefined` if it is not a derived key. */
export function rootOf(key: string): string | undefined {
  return DERIVED.test(key.slice(-2 * SUFFIX)) ? key.slice(0, -SUFFIX) : undefined
}

const SUFFIX = 13

/** A derived key ends in two hashes, because the keys that others are derived from end in a hash themselves. */
const DERIVED = /:[0-9a-f]{12}:[0-9a-f]{12}$/
