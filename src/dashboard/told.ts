import type { Sample } from './history.js'

// Reads values that other processes have written, one by one: each function throws for any other value.

/** Names in one record of counts, and the length of each. */
const MOST_NAMES = 150
const LONGEST_NAME = 1000

export function toldRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('no record')
  return value as Readonly<Record<string, unknown>>
}

export function toldNumber(value: unknown): number {
  if (typeof value !== 'number' || !(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) throw new TypeError('no number')
  return value
}

export function toldFlag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new TypeError('no flag')
  return value
}

export function toldText(value: unknown, longest: number): string {
  if (typeof value !== 'string' || value.length > longest) throw new TypeError('no text')
  return value
}

export function toldWord<Word extends string>(value: unknown, words: readonly Word[]): Word {
  const word = words.find((one) => one === value)
  if (word === undefined) throw new TypeError('no such word')
  return word
}

export function toldList<Item>(value: unknown, most: number, read: (item: unknown) => Item): readonly Item[] {
  if (!Array.isArray(value) || value.length > most) throw new TypeError('no list')
  return value.map((item) => read(item))
}

/** Numbers by given names. */
export function toldNumbers<Name extends string>(value: unknown, names: readonly Name[]): Record<Name, number> {
  const told = toldRecord(value)
  return Object.fromEntries(names.map((name) => [name, toldNumber(told[name])])) as Record<Name, number>
}

/** Numbers by any names. */
export function toldCounts(value: unknown, isName: (name: string) => boolean = isShort): Record<string, number> {
  const told = toldRecord(value)
  const names = Object.keys(told)
  if (names.length > MOST_NAMES || !names.every(isName)) throw new TypeError('no such names')
  return Object.fromEntries(names.map((name) => [name, toldNumber(told[name])]))
}

/** Numbers by the bounds of buckets. */
export function toldBuckets(value: unknown): Record<string, number> {
  return toldCounts(value, isBound)
}

function isShort(name: string): boolean {
  return name.length <= LONGEST_NAME
}

function isBound(name: string): boolean {
  return name.length <= 12 && (name === 'Infinity' || Number(name) > 0)
}

/** The fields of a sample in a row, before its state and its buckets. */
const COLUMNS = [
  'at',
  'memory',
  'redis',
  'stale',
  'collapsed',
  'revalidated',
  'miss',
  'bypass',
  'savedSeconds',
  'servedBytes',
  'handlerCount',
  'handlerSeconds',
  'memoryBytes',
] as const satisfies readonly (keyof Sample)[]

const CIRCUITS = ['closed', 'open', 'half_open'] as const

/** The counts by buckets of a sample, at the end of a row. */
const BUCKETS = ['handlerBuckets', 'redisBuckets'] as const satisfies readonly (keyof Sample)[]

type Buckets = Readonly<Record<string, number>>

/** Samples as short rows: of the buckets, each row has what grew since the one before. */
export function samplesAsRows(samples: readonly Sample[]): readonly unknown[] {
  return samples.map((sample, index) => {
    const before = samples[index - 1]
    const numbers = COLUMNS.map((name) => Number(sample[name].toFixed(3)))
    const grown = BUCKETS.map((name) => grownSince(before?.[name] ?? {}, sample[name]))
    return [...numbers, sample.connected ? 1 : 0, CIRCUITS.indexOf(sample.circuit), ...grown]
  })
}

function grownSince(before: Buckets, after: Buckets): Buckets {
  const grown = Object.entries(after).map(([bound, count]) => [bound, count - (before[bound] ?? 0)] as const)
  return Object.fromEntries(grown.filter(([, count]) => count !== 0))
}

/** Reads the rows of {@link samplesAsRows}, to be called with each in their order. */
export function sampleOfRow(): (row: unknown) => Sample {
  let sums: readonly Buckets[] = BUCKETS.map(() => ({}))
  return (row) => {
    const cells = toldList(row, COLUMNS.length + 2 + BUCKETS.length, (cell) => cell)
    const [connected, circuit, ...grown] = cells.slice(COLUMNS.length)
    sums = sums.map((sum, index) => sumOf(sum, toldBuckets(grown[index])))
    const numbers = Object.fromEntries(COLUMNS.map((name, index) => [name, toldNumber(cells[index])]))
    const buckets = Object.fromEntries(BUCKETS.map((name, index) => [name, sums[index]]))
    return {
      ...(numbers as Record<(typeof COLUMNS)[number], number>),
      ...(buckets as Record<(typeof BUCKETS)[number], Buckets>),
      connected: toldNumber(connected) === 1,
      circuit: toldWord(CIRCUITS[toldNumber(circuit)], CIRCUITS),
    }
  }
}

function sumOf(sum: Buckets, more: Buckets): Buckets {
  const added = Object.entries(more).map(([bound, by]) => [bound, (sum[bound] ?? 0) + by] as const)
  const all = { ...sum, ...Object.fromEntries(added) }
  if (Object.keys(all).length > MOST_NAMES) throw new TypeError('too many buckets')
  return all
}
