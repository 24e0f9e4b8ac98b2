import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.js'
import type { Cover } from '../../../src/core/coherence/cover.js'
import { Journal } from '../../../src/core/coherence/journal.js'
import { JournalFile } from '../../../src/core/coherence/journal-file.js'
import { Mirror } from '../../../src/core/coherence/mirror.js'
import { Nonces } from '../../../src/core/coherence/nonces.js'
import { RetiredKeys } from '../../../src/core/coherence/retired-keys.js'

/** The longest that one call may keep the event loop; ms. */
const LIMIT = 20

/**
 * Runs calls and gives how long the slowest took, in ms: the best of three runs, for it counts collecting garbage as well. Nothing
 * else runs beside, and processor time would count what the threads of V8 do at the same time.
 */
function slowest(count: number, prepare: () => (at: number) => unknown): number {
  const runs = [0, 1, 2].map(() => {
    const call = prepare()
    let longest = 0
    for (let at = 0; at < count; at++) {
      const start = performance.now()
      call(at)
      longest = Math.max(longest, performance.now() - start)
    }
    return longest
  })
  return Math.min(...runs)
}

const cover = (at: number): Cover => {
  const name = `name-${at}-${'x'.repeat(at % 50)}`
  if (at % 4 === 0) return { kind: 'tag', tag: name }
  if (at % 4 === 1) return { kind: 'key', key: name }
  return { kind: 'prefix', prefix: name, ignoreCase: at % 4 === 2 }
}

describe('no call blocks the event loop', () => {
  it.each([4, 64])('a mirror of %i MiB that is full, record after record', (mebibytes) => {
    const mirror = new Mirror(mebibytes * 1024 * 1024)
    for (let at = 1; mirror.stats().folds === 0; at++) mirror.record([cover(at)], at)
    const { records } = mirror.stats()
    expect(records).toBeGreaterThan(mebibytes * 3_000)
    expect(slowest(5_000, () => (at) => mirror.record([cover(1e6 + at)], 1e6 + at))).toBeLessThan(LIMIT)
    expect(mirror.stats().records).toBeGreaterThan(records * 0.9)
    expect(slowest(3, () => () => mirror.startOver())).toBeLessThan(LIMIT)
    expect(slowest(3, () => () => mirror.ageKeys())).toBeLessThan(LIMIT)
  })

  it('a mirror of which most waits for the log', () => {
    const mirror = new Mirror(1024 * 1024)
    const waiting = Array.from({ length: 8_000 }, (_, at) => mirror.record([cover(at)], undefined))
    expect(slowest(1_000, () => (at) => mirror.record([cover(1e6 + at)], at + 1))).toBeLessThan(LIMIT)
    expect(slowest(1, () => () => mirror.ageKeys())).toBeLessThan(LIMIT)
    const [first, ...rest] = waiting
    expect(
      slowest(rest.length, () => (at) => mirror.settle(rest[at] ?? { covers: [], sequence: 0 }, 1e6 + at)),
    ).toBeLessThan(LIMIT)
    if (first !== undefined) mirror.settle(first, 2e6)
    for (let at = 0; at < 100; at++) mirror.record([cover(2e6 + at)], 2e6 + at)
    expect(mirror.stats().bytes).toBeLessThanOrEqual(1024 * 1024)
  })

  it('a journal that turns into one invalidation of everything, with a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'journal-'))
    let file = 0
    const longest = slowest(6_200, () => {
      const path = join(folder, `journal-${file++}`)
      const onFault = (error: unknown) => expect(error).toBeUndefined()
      const journalFile = new JournalFile(path, onFault, onFault)
      const mirror = new Mirror(4 * 1024 * 1024)
      const journal = new Journal({ mirror, nonces: new Nonces(), clock: systemClock }, 1024 * 1024, journalFile)
      return (at) => {
        const issued = journal.add(mirror.record([cover(at)], undefined))
        journal.keep(issued)
        if (at === 6_199) expect(journal.stats().pending).toBeLessThan(3_000)
      }
    })
    rmSync(folder, { recursive: true })
    expect(longest).toBeLessThan(LIMIT)
  })

  it('retired keys, when all of them give way', () => {
    const keys = new RetiredKeys()
    const record = { id: 'i', isOwn: true, isSettled: true, position: 0 }
    const add = (at: number) => keys.add(`/${at}/${'y'.repeat(at % 16_000)}:0123456789ab`, { ...record, sequence: at })
    expect(slowest(10_000, () => add)).toBeLessThan(LIMIT)
    expect(slowest(3, () => () => keys.unsettle(1_000))).toBeLessThan(LIMIT)
  })
})
