/**
 * Computes the label of a key, which its frame in Redis contains, to detect replies that belong to another key.
 *
 * A 53-bit hash. It detects accidental mismatches, but not an attacker who can forge replies of Redis, and could forge
 * any frame.
 */
export function entryLabel(key: string): string {
  let high = 0x9e3779b9
  let low = 0x85ebca6b
  for (let index = 0; index < key.length; index++) {
    const code = key.charCodeAt(index)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code ^ (high >>> 15), 0x5bd1e995)
  }
  high = Math.imul(high ^ (high >>> 16) ^ key.length, 0x2c1b3c6d)
  low = Math.imul(low ^ (low >>> 15) ^ high, 0x297a2d39)
  return ((high >>> 11) * 2 ** 32 + ((low ^ (low >>> 13)) >>> 0)).toString(36)
}
