/** Begins the names of what the library keeps for itself: its braces put all of that into one slot of a cluster. */
const own = '{fallback-cache}:'

/** The name in Redis of something that the library keeps for itself. */
export function ownName(
  keyPrefix: string,
  what: 'head' | 'log' | 'marks' | 'sweep' | 'present' | 'owner' | 'probe',
): string {
  return keyPrefix + own + what
}

/** The name in Redis of an entry: its key, and for a key that looks like a name of the library's own, not that name. */
export function entryName(keyPrefix: string, key: string): string {
  return keyPrefix + (key.includes(own) ? key.replaceAll(own, `${own}:`) : key)
}

/** The key of the entry of this name. */
export function entryKey(keyPrefix: string, name: string): string {
  return name.slice(keyPrefix.length).replaceAll(`${own}:`, own)
}
