import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import type { RunMark } from '../../src/core/mark.js'
import { SingleFlight } from '../../src/core/single-flight.js'
import { ManualClock } from '../support/manual-clock.js'

function mark(sequence: number): RunMark {
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
  it('runs once for all callers that ask during the run, and again for a caller that asks afterwards', async () => {
    const flights = new SingleFlight<number>(systemClock, 60_000)
    const { promise, resolve } = later<number>()
    let runs = 0
    const run = (): Promise<number> => {
      runs++
      return promise
    }
    const asked = Array.from({ length: 100 }, () => flights.join('k', always, () => mark(1), run))
    expect(runs).toBe(1)
    resolve(7)
    const landed = await Promise.all(asked)
    expect(landed.map(({ result }) => result)).toEqual(Array(100).fill(7))
    expect(landed.filter(({ isShared }) => isShared)).toHaveLength(99)
    expect(flights.size).toBe(0)
    await flights.join('k', always, () => mark(1), run)
    expect(runs).toBe(2)
  })

  it('keeps no computation that never ends for longer than callers wait for it', async () => {
    const clock = new ManualClock()
    const flights = new SingleFlight<number>(clock, 1_000)
    for (const key of ['a', 'b', 'c'])
      void flights.join(
        key,
        always,
        () => mark(1),
        () => later<number>().promise,
      )
    clock.advance(999)
    void flights.join(
      'a',
      never,
      () => mark(2),
      () => later<number>().promise,
    )
    expect(flights.size).toBe(3)
    clock.advance(1)
    await flights.join(
      'd',
      always,
      () => mark(1),
      async () => 1,
    )
    expect(flights.size).toBe(1)
  })

  it('keeps keys apart, those named like parts of an object too', async () => {
    const flights = new SingleFlight<string>(systemClock, 60_000)
    const keys = ['a', 'b', '__proto__', 'constructor']
    const results = await Promise.all(
      keys.map((key) =>
        flights.join(
          key,
          always,
          () => mark(1),
          async () => key,
        ),
      ),
    )
    expect(results.map(({ result }) => result)).toEqual(keys)
  })

  it('gives an error to all who wait, and does not keep it', async () => {
    const flights = new SingleFlight<number>(systemClock, 60_000)
    const failing = (): Promise<number> => Promise.reject(new Error('no'))
    const asked = [1, 2, 3].map(() => flights.join('k', always, () => mark(1), failing))
    for (const result of await Promise.allSettled(asked)) expect(result.status).toBe('rejected')
    await expect(
      flights.join(
        'k',
        always,
        () => mark(1),
        async () => 5,
      ),
    ).resolves.toEqual({ result: 5, isShared: false })
  })

  it('hands the mark of the running flight to a caller that wants to join', async () => {
    const flights = new SingleFlight<number>(systemClock, 60_000)
    const { promise, resolve } = later<number>()
    const first = flights.join(
      'k',
      always,
      () => mark(1),
      () => promise,
    )
    const seen: RunMark[] = []
    const second = flights.join(
      'k',
      (flying) => seen.push(flying) > 0,
      () => mark(9),
      async () => 2,
    )
    expect(seen).toEqual([mark(1)])
    resolve(1)
    expect(await Promise.all([first, second])).toEqual([
      { result: 1, isShared: false },
      { result: 1, isShared: true },
    ])
  })

  it('starts another beside one that may not be joined, and lets newcomers join the newer', async () => {
    const flights = new SingleFlight<string>(systemClock, 60_000)
    const older = later<string>()
    const newer = later<string>()
    const first = flights.join(
      'k',
      always,
      () => mark(1),
      () => older.promise,
    )
    const second = flights.join(
      'k',
      never,
      () => mark(2),
      () => newer.promise,
    )
    older.resolve('older')
    expect((await first).result).toBe('older')
    // The older one landed: it must not take the newer one with it.
    const third = flights.join(
      'k',
      always,
      () => mark(3),
      async () => 'third',
    )
    newer.resolve('newer')
    expect((await Promise.all([second, third])).map(({ result }) => result)).toEqual(['newer', 'newer'])
  })

  it('is left by those who wait once it is overdue; one of them computes for all', async () => {
    const clock = new ManualClock()
    const flights = new SingleFlight<string>(clock, 1000)
    const hung = new Promise<string>(() => {})
    void flights.join(
      'k',
      always,
      () => mark(1),
      () => hung,
    )
    const { promise, resolve } = later<string>()
    let runs = 0
    const run = (): Promise<string> => {
      runs++
      return promise
    }
    const waiting = [1, 2, 3].map(() => flights.join('k', always, () => mark(2), run))
    await clock.advanceInTurns(999)
    expect(runs).toBe(0)
    await clock.advanceInTurns(1)
    expect(runs).toBe(1)
    resolve('second')
    expect((await Promise.all(waiting)).map(({ result }) => result)).toEqual(['second', 'second', 'second'])
  })

  it('is left once its timer has fired, also where that is before its moment by the clock', async () => {
    const clock = new ManualClock()
    const early = Object.assign(Object.create(clock) as typeof clock, {
      monotonic: () => clock.monotonic(),
      setTimer: (run: () => void, ms: number) => clock.setTimer(run, ms - 0.5),
      clearTimer: (timer: unknown) => clock.clearTimer(timer),
    })
    const flights = new SingleFlight<string>(early, 1000)
    void flights.join(
      'k',
      always,
      () => mark(1),
      () => new Promise(() => {}),
    )
    const waiting = flights.join(
      'k',
      always,
      () => mark(2),
      async () => 'second',
    )
    await clock.advanceInTurns(999.6)
    expect((await waiting).result).toBe('second')
  })

  it('sets one timer for all who wait, and takes it back', async () => {
    const clock = new ManualClock()
    const flights = new SingleFlight<number>(clock, 1000)
    const { promise, resolve } = later<number>()
    const asked = Array.from({ length: 50 }, () =>
      flights.join(
        'k',
        always,
        () => mark(1),
        () => promise,
      ),
    )
    expect(clock.pending).toBe(1)
    resolve(1)
    await Promise.all(asked)
    expect(clock.pending).toBe(0)
  })

  it('rejects a computation that waits for itself, directly or through others, and only that', async () => {
    const flights = new SingleFlight<string>(systemClock, 60_000)
    const ask = async (key: string, run: () => Promise<string>): Promise<string> =>
      (await flights.join(key, always, () => mark(1), run)).result
    const own = ask('a', () => ask('a', async () => 'never'))
    await expect(own).rejects.toMatchObject({ code: 'circular-wait', message: expect.stringContaining('"a"') })
    const through = ask('a', () => ask('b', () => ask('c', () => ask('a', async () => 'never'))))
    await expect(through).rejects.toMatchObject({ code: 'circular-wait' })
    const both = later<void>()
    const onceBothRun = async (key: string): Promise<string> => {
      await both.promise
      return ask(key, async () => 'never')
    }
    const crossed = [ask('x', () => onceBothRun('y')), ask('y', () => onceBothRun('x'))]
    both.resolve()
    for (const { status } of await Promise.allSettled(crossed)) expect(status).toBe('rejected')
    // Two that need the same third one wait for nothing that waits for them.
    const shared = (): Promise<string> => ask('shared', async () => 'shared')
    expect(await Promise.all([ask('one', shared), ask('two', shared)])).toEqual(['shared', 'shared'])
    expect(await ask('a', async () => 'afterwards')).toBe('afterwards')
  })

  it('finds out whether a computation waits for itself through a chain of any length', async () => {
    const flights = new SingleFlight<string>(systemClock, 60_000)
    const end = later<string>()
    const ask = async (link: number): Promise<string> => {
      await undefined
      return (
        await flights.join(
          `${link}`,
          always,
          () => mark(1),
          () => (link > 0 ? ask(link - 1) : end.promise),
        )
      ).result
    }
    const length = 5_000
    const chain = ask(length)
    while (flights.size <= length) await new Promise((resolve) => setImmediate(resolve))
    const other = flights.join(
      'other',
      always,
      () => mark(1),
      () => ask(length),
    )
    end.resolve('the end')
    expect(await chain).toBe('the end')
    expect((await other).result).toBe('the end')
  })
})
