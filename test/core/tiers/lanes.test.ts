import { describe, expect, it } from 'vitest'
import { Lanes } from '../../../src/core/tiers/lanes.js'
import { ManualClock } from '../../support/manual-clock.js'

const BUSY = expect.objectContaining({ code: 'redis-busy' })

/** Two lanes, three places to wait, and a second of patience. */
function bench() {
  const clock = new ManualClock()
  const lanes = new Lanes(clock, { running: 2, waiting: 3, patience: 1000 })
  const begun: string[] = []
  const ends = new Map<string, (failure?: Error) => void>()
  const run = (name: string): Promise<string> =>
    lanes.run(() => {
      begun.push(name)
      return new Promise((resolve, reject) => {
        ends.set(name, (failure) => (failure === undefined ? resolve(name) : reject(failure)))
      })
    })
  const end = async (name: string, failure?: Error): Promise<void> => {
    ends.get(name)?.(failure)
    await new Promise(setImmediate)
  }
  return { clock, begun, run, end }
}

describe('lanes', () => {
  it('begin in the order in which they came, as many at a time as there are lanes', async () => {
    const { begun, run, end } = bench()
    const all = ['a', 'b', 'c', 'd'].map(run)
    expect(begun).toEqual(['a', 'b'])
    await end('b')
    expect(begun).toEqual(['a', 'b', 'c'])
    await end('a')
    await end('d')
    await end('c')
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd'])
    const [e, f, g] = ['e', 'f', 'g'].map(run)
    expect(begun.slice(4)).toEqual(['e', 'f'])
    for (const name of ['e', 'f', 'g']) await end(name)
    expect(await Promise.all([e, f, g])).toEqual(['e', 'f', 'g'])
  })

  it('go on after a failure', async () => {
    const { run, end } = bench()
    const [a, b, c] = ['a', 'b', 'c'].map(run)
    const failure = new Error('refused')
    await Promise.all([expect(a).rejects.toBe(failure), end('a', failure)])
    await end('c')
    await end('b')
    expect(await Promise.all([b, c])).toEqual(['b', 'c'])
  })

  it('reject what would be one too many', async () => {
    const { begun, run, end } = bench()
    const all = ['a', 'b', 'c', 'd', 'e'].map(run)
    await expect(run('f')).rejects.toEqual(BUSY)
    for (const name of ['a', 'b', 'c', 'd', 'e']) await end(name)
    await Promise.all(all)
    expect(begun).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('reject what has waited for too long, and begin the next one', async () => {
    const { clock, begun, run, end } = bench()
    const [a, b, late] = ['a', 'b', 'late'].map(run)
    clock.advance(1)
    const next = run('next')
    clock.advance(1000)
    await Promise.all([expect(late).rejects.toEqual(BUSY), end('a')])
    expect(begun).toEqual(['a', 'b', 'next'])
    await end('b')
    await end('next')
    expect(await Promise.all([a, b, next])).toEqual(['a', 'b', 'next'])
  })
})
