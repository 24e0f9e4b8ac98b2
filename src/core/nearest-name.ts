/** The known name with the fewest edits, if they are few for its length; otherwise a name that contains it. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase()
  let found: string | undefined
  if (lower.length > LONGEST) return undefined
  let fewest = Math.max(lower.length < 8 ? 2 : 3, Math.floor(lower.length / 3)) + 1
  for (const candidate of known) {
    const edits = editDistance(lower, candidate.toLowerCase())
    if (edits < fewest) {
      fewest = edits
      found = candidate
    }
  }
  if (found !== undefined || lower.length < 3) return found
  return known.find((candidate) => candidate.toLowerCase().includes(lower))
}

/** Longer names are not typos, and would be slow to compare. */
const LONGEST = 40

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
