import type { FallbackCache } from '../../src/index.js'
import type { Footprint, SoakRecord } from './records.js'

/** The heap and the resident set of this process, and the gauges of its cache. */
export function sizesOf(cache: FallbackCache): Footprint['sizes'] {
  const { heapUsed, rss } = process.memoryUsage()
  const { entries, memoryBytes, mirror, journal, retired, pendingWrites, commandsInFlight } = cache.stats()
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    entries,
    memoryBytes,
    mirrorBytes: mirror.bytes,
    journalBytes: journal?.bytes ?? 0,
    knownBytes: journal?.knownBytes ?? 0,
    retired: retired.records,
    unsentBytes: retired.unsentBytes ?? 0,
    pendingWrites,
    commandsInFlight,
  }
}

/** A table of the largest size of any process in each minute since `startAt`, in MB or KB for bytes. */
export function footprintTable(records: readonly SoakRecord[], startAt: number): string {
  const minutes: Record<string, number>[] = []
  for (const record of records) {
    if (record.type !== 'footprint') continue
    const minute = Math.max(0, Math.floor((record.at - startAt) / 60_000))
    const most = minutes[minute] ?? {}
    minutes[minute] = most
    for (const [name, size] of Object.entries(record.sizes)) most[name] = Math.max(most[name] ?? 0, size)
  }
  const heading = ['minute', ...columns.map(({ title }) => title)]
  const rows = Array.from(minutes, (most = {}, minute) => [
    String(minute + 1),
    ...columns.map((column) => shown(column, most)),
  ])
  const widths = heading.map((title, index) => Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)))
  return [heading, ...rows]
    .map((row) => row.map((cell, index) => cell.padStart(widths[index] ?? 0)).join('  '))
    .join('\n')
}

interface Column {
  readonly title: string
  readonly size: string
  readonly unit: number
}

const MB = 1_048_576
const KB = 1_024

const columns: readonly Column[] = [
  { title: 'heap MB', size: 'heapBytes', unit: MB },
  { title: 'rss MB', size: 'rssBytes', unit: MB },
  { title: 'Redis KB', size: 'redisBytes', unit: KB },
  { title: 'entries', size: 'entries', unit: 1 },
  { title: 'entries KB', size: 'memoryBytes', unit: KB },
  { title: 'mirror KB', size: 'mirrorBytes', unit: KB },
  { title: 'journal KB', size: 'journalBytes', unit: KB },
  { title: 'known KB', size: 'knownBytes', unit: KB },
  { title: 'retired', size: 'retired', unit: 1 },
  { title: 'unsent KB', size: 'unsentBytes', unit: KB },
  { title: 'to write', size: 'pendingWrites', unit: 1 },
  { title: 'in flight', size: 'commandsInFlight', unit: 1 },
]

function shown({ size, unit }: Column, most: Readonly<Record<string, number>>): string {
  const value = most[size]
  return value === undefined ? '-' : (value / unit).toFixed(unit === 1 ? 0 : 1)
}
