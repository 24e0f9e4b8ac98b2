/** The known name with the fewest edits from another one; `undefined` if all are too different. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > LONGEST) return undefined
  const most = Math.max(1, Math.floor(name.length / 2))
  const near = known.map((one) => ({ one, edits: editsBetween(name.toLowerCase(), one) }))
  const [first] = near.filter(({ edits }) => edits <= most).sort((a, b) => a.edits - b.edits)
  return first?.one ?? known.find((one) => name.length > 2 && one.startsWith(name.toLowerCase()))
}

/** Longer names are not typos. */
const LONGEST = 40

function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let line = 1; line <= one.length; line++) {
    const next = [line]
    for (let at = 1; at <= other.length; at++) {
      const replaced = (row[at - 1] ?? 0) + (one[line - 1] === other[at - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
