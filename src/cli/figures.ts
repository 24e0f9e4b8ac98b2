/** A size in readable form: `4.6 kB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  let value = bytes
  let unit = -1
  do {
    value /= 1000
    unit++
  } while (value >= 999.5 && unit < UNITS.length - 1)
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}B`
}

const UNITS = ['k', 'M', 'G', 'T', 'P']

/** A duration in readable form: `12 s`, `4 min`, `2.5 h`. @param ms - negative ones are shown with a minus sign */
export function durationText(ms: number): string {
  const seconds = Math.abs(ms) / 1000
  const sign = ms < 0 && seconds >= 0.5 ? '-' : ''
  if (seconds < 1) return `${Math.round(Math.abs(ms))} ms`
  if (seconds < 100) return `${sign}${Math.round(seconds)} s`
  if (seconds < 6000) return `${sign}${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${sign}${Math.round(seconds / 3600)} h`
  return `${sign}${Math.round(seconds / 86_400)} d`
}

/** A number of things: `1 entry`, `3 entries`. */
export function countText(number: number, one: string, several: string): string {
  return `${number} ${number === 1 ? one : several}`
}

/** Lines of a table, columns aligned; the last column is not padded. @param alignment - `r` or `l` for each column */
export function tableLines(rows: readonly (readonly string[])[], alignment: string): readonly string[] {
  const widths = Array.from(alignment, (_, column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => {
        if (alignment[column] === 'r') return cell.padStart(widths[column] ?? 0)
        return column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)
      })
      .join('  ')
      .trimEnd(),
  )
}
