/** The key of something that belongs to another key and is retired with it. @param hash - 12 hexadecimal digits */
export function derivedKey(key: string, hash: string): string {
  return `${key}:${hash}`
}

/** The key that a key is derived from, as far as its form tells; `undefined`: it is derived from none. */
export function rootOf(key: string): string | undefined {
  return DERIVED.test(key.slice(-2 * SUFFIX)) ? key.slice(0, -SUFFIX) : undefined
}

const SUFFIX = 13

/** Keys that others are derived from end in a hash themselves. */
const DERIVED = /:[0-9a-f]{12}:[0-9a-f]{12}$/
