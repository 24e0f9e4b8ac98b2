import type { Clock, Timer } from '../../src/core/clock.js'

interface Alarm {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/**
 * A clock whose time moves only when a test moves it. Turns of the event loop are the real ones, so that real sockets
 * can be used beside it.
 */
export class ManualClock implements Clock {
  #monotonic = 1_000
  #wall: number
  #order = 0
  readonly #alarms = new Set<Alarm>()

  /** @param wall Epoch milliseconds to start at. @defaultValue 2026-01-01T00:00:00Z */
  constructor(wall: number = Date.UTC(2026, 0, 1)) {
    this.#wall = wall
  }

  now(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  setTimer(run: () => void, ms: number): Timer {
    const alarm: Alarm = { at: this.#monotonic + Math.max(0, ms), order: this.#order++, run }
    this.#alarms.add(alarm)
    return alarm
  }

  clearTimer(timer: Timer): void {
    this.#alarms.delete(timer as Alarm)
  }

  endOfTurn(run: () => void): void {
    setImmediate(run)
  }

  /** Timers that have been set and have not fired. */
  get pending(): number {
    return this.#alarms.size
  }

  /** Moves both clocks on and fires, in order, every timer that falls due on the way, also those set by them. */
  advance(ms: number): void {
    const end = this.#monotonic + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) this.#fire(next)
    this.#move(end)
  }

  /** As {@link advance}, with a turn of the event loop after each timer, so that promises and sockets get theirs. */
  async advanceInTurns(ms: number): Promise<void> {
    const end = this.#monotonic + ms
    await turn()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#fire(next)
      await turn()
    }
    this.#move(end)
    await turn()
  }

  /** Sets the wall clock alone, as an administrator would; timers do not notice. */
  setWallClock(epochMs: number): void {
    this.#wall = epochMs
  }

  #next(end: number): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.at > end) continue
      if (!first || alarm.at < first.at || (alarm.at === first.at && alarm.order < first.order)) first = alarm
    }
    return first
  }

  #fire(alarm: Alarm): void {
    this.#alarms.delete(alarm)
    this.#move(Math.max(this.#monotonic, alarm.at))
    alarm.run()
  }

  #move(to: number): void {
    this.#wall += to - this.#monotonic
    this.#monotonic = to
  }
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
