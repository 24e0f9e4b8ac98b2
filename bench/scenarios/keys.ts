import { uniform } from '../load/uniform.js'
import { zipf } from '../load/zipf.js'
import type { Scenario } from '../scenario.js'
import { compare, type Line } from './comparison.js'

/** What is asked for, by the name of its lines. */
const loads = [
  ['1 key', uniform(1)],
  ['10 k zipf', zipf(10_000, 50_000)],
  ['10 k', uniform(10_000)],
  ['100 k', uniform(100_000)],
] as const

/** Each line has a process of its own: what garbage collection costs depends on all keys that a process has met. */
function linesOf(candidates: readonly string[], known: readonly (typeof loads)[number][]): readonly Line[] {
  return candidates.flatMap((candidate) =>
    known.map(([name, paths]) => ({
      candidate,
      name: `${candidate}, ${name}`,
      load: { paths },
      setup: { maxEntries: 1000 + new Set(paths).size },
      // Every page is there before hits are measured.
      warmUp: 10_000 + 1.2 * paths.length,
    })),
  )
}

const common = { load: { paths: uniform(1) }, seconds: 0.8 }

/** Hits of one key beside hits of many. */
export const keys: readonly Scenario[] = [
  {
    name: 'keys',
    about: '1, 10,000 (skewed, and all equally often) and 100,000 keys of 1 KB, from memory',
    isInShort: true,
    run: (around) => {
      const candidates = ['ours express', 'ours koa', 'ours express, front door', 'ours koa, front door']
      const lines = linesOf(candidates, around.isShort ? loads.slice(0, 2) : loads)
      const short = candidates.slice(0, 1)
      return compare({ name: 'keys', lines, ours: 'ours express, 1 key', short, ...common }, around)
    },
  },
  {
    name: 'keys-confirmed',
    about: 'the same with the read mode `confirmed`',
    needsRedis: true,
    run: (around) => {
      const candidates = ['ours express', 'ours koa', 'ours express, front door', 'ours koa, front door']
      const lines = linesOf(
        candidates.map((name) => `${name}, confirmed`),
        loads,
      )
      return compare({ name: 'keys-confirmed', lines, ours: 'ours express, confirmed, 1 key', ...common }, around)
    },
  },
]
