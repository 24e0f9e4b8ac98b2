/** Prints rows under a heading, columns aligned; numbers to the right. */
export function printTable(title: string, rows: readonly Readonly<Record<string, string | number>>[]): void {
  const names = Object.keys(rows[0] ?? {})
  const text = rows.map((row) => names.map((name) => String(row[name] ?? '')))
  const widths = names.map((name, column) => Math.max(name.length, ...text.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        /^[\d.]+$/.test(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
  process.stdout.write(`\n${title}\n${[line(names), ...text.map(line)].join('\n')}\n`)
}

/** Milliseconds with as many digits as mean something. */
export function milliseconds(time: number): string {
  return time < 1 ? time.toFixed(3) : time.toFixed(1)
}
