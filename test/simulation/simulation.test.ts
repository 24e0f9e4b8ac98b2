import { describe, expect, it } from 'vitest'
import { simulate } from './simulation.js'

/** `SEED=7` replays one run and tells all of it; `SEEDS=100000` runs more, `FIRST=5000` others. */
const only = process.env.SEED === undefined ? undefined : Number(process.env.SEED)
const first = only ?? Number(process.env.FIRST ?? 1)
const count = only === undefined ? Number(process.env.SEEDS ?? 2000) : 1

/** Runs in which processes are exchanged for those of a release with another protocol. */
const upgrades = Math.ceil(count / 200)

/** Lines of a failed run that are shown. */
const shownLines = 150

describe('processes over one Redis', () => {
  it(`keep every promise of the contract, seeds ${first} to ${first + count - 1}`, { timeout: 3_600_000 }, async () => {
    const totals: Record<string, number> = {}
    for (let seed = first; seed < first + count; seed++) {
      const { violations, counts } = await simulate(seed)
      if (violations.length > 0 || only !== undefined) await tell(seed)
      expect(violations, `seed ${seed}`).toEqual([])
      for (const [name, number] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + number
    }
    // What never happens proves nothing.
    if (only !== undefined || count < 100) return
    for (const name of happens) expect(totals[name], name).toBeGreaterThan(0)
    expect(ratio(totals['found in redis'], totals.find)).toBeGreaterThan(0.25)
  })

  it(`keep them, of two protocols that take each other's place, seeds ${first} to ${first + upgrades - 1}`, {
    timeout: 3_600_000,
  }, async () => {
    let takenOver = 0
    for (let seed = first; seed < first + upgrades; seed++) {
      const lines: string[] = []
      const { violations } = await simulate(seed, { upgrades: true, trace: (line) => lines.push(line) })
      expect(violations, `seed ${seed}\n${lines.slice(-shownLines).join('\n')}`).toEqual([])
      if (lines.some((line) => line.includes('is taken over'))) takenOver++
    }
    if (upgrades >= 10) expect(takenOver).toBeGreaterThan(0)
  })

  it('go the same way each time for the same seed', async () => {
    expect(await trace(first)).toEqual(await trace(first))
  })
})

const happens = [
  'found in memory',
  'found in redis',
  'found while disconnected',
  'nothing',
  'servedWhileDisconnected',
  'lateStores',
  'amended',
  'writtenBack',
  'outages',
  'redisTimeouts',
  'redisErrorReplies',
  'evictions',
  'swept',
]

async function tell(seed: number): Promise<void> {
  const lines = await trace(seed)
  const shown = only === undefined ? lines.slice(-shownLines) : lines
  console.error(`seed ${seed}; SEED=${seed} shows all of it\n${shown.join('\n')}`)
}

async function trace(seed: number): Promise<readonly string[]> {
  const lines: string[] = []
  await simulate(seed, { trace: (line) => lines.push(line) })
  return lines
}

function ratio(part = 0, whole = 1): number {
  return part / whole
}
