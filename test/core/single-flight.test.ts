import { describe, expect, it } from 'vitest'
import type { Mark } from '../../src/core/mark.js'
import { SingleFlight } from '../../src/core/single-flight.js'

function mark(sequence: number): Mark {
  return { sequence, stamp: { incarnation: '-', position: 0 }, startedAt: 0 }
}

function later<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: Error): void } {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

const always = (): boolean => true
const never = (): boolean => false

describe('SingleFlight', () => {
  it('runs once for all who ask meanwhile, and again for who asks afterwards', async () => {
    const flights = new SingleFlight<number>()
    const { promise, resolve } = later<number>()
    let runs = 0
    const run = (): Promise<number> => {
      runs++
      return promise
    }
    const asked = Array.from({ length: 100 }, () => flights.join('k', always, mark(1), run))
    expect(runs).toBe(1)
    resolve(7)
    expect(await Promise.all(asked)).toEqual(Array(100).fill(7))
    await flights.join('k', always, mark(1), run)
    expect(runs).toBe(2)
  })

  it('keeps keys apart, those named like parts of an object too', async () => {
    const flights = new SingleFlight<string>()
    const keys = ['a', 'b', '__proto__', 'constructor']
    const results = await Promise.all(keys.map((key) => flights.join(key, always, mark(1), async () => key)))
    expect(results).toEqual(keys)
  })

  it('gives an error to all who wait, and does not keep it', async () => {
    const flights = new SingleFlight<number>()
    const failing = (): Promise<number> => Promise.reject(new Error('no'))
    const asked = [1, 2, 3].map(() => flights.join('k', always, mark(1), failing))
    for (const result of await Promise.allSettled(asked)) expect(result.status).toBe('rejected')
    await expect(flights.join('k', always, mark(1), async () => 5)).resolves.toBe(5)
  })

  it('hands the mark of the running flight to whoever wants to join', async () => {
    const flights = new SingleFlight<number>()
    const { promise, resolve } = later<number>()
    const first = flights.join('k', always, mark(1), () => promise)
    const seen: Mark[] = []
    const second = flights.join(
      'k',
      (flying) => seen.push(flying) > 0,
      mark(9),
      async () => 2,
    )
    expect(seen).toEqual([mark(1)])
    resolve(1)
    expect(await Promise.all([first, second])).toEqual([1, 1])
  })

  it('starts another beside one that may not be joined, and lets newcomers join the newer', async () => {
    const flights = new SingleFlight<string>()
    const older = later<string>()
    const newer = later<string>()
    const first = flights.join('k', always, mark(1), () => older.promise)
    const second = flights.join('k', never, mark(2), () => newer.promise)
    older.resolve('older')
    expect(await first).toBe('older')
    // The older one landed: it must not take the newer one with it.
    const third = flights.join('k', always, mark(3), async () => 'third')
    newer.resolve('newer')
    expect(await Promise.all([second, third])).toEqual(['newer', 'newer'])
  })
})
