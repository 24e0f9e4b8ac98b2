/**
 * Converts the name of a field to lower case. Results are cached, because applications use few names, and because V8
 * finds properties by a text that was just made more slowly than by one that it has seen.
 */
export function lowerCase(name: string): string {
  const known = LOWER.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  // Bounded, because behind a proxy other servers choose the names.
  if (LOWER.size >= 1_000) LOWER.clear()
  if (name.length <= 64) LOWER.set(name, lower)
  return lower
}

const LOWER = new Map<string, string>()
