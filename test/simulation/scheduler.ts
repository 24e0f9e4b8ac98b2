import type { Clock, Timer } from '../../src/core/clock.js'

/** Something that will happen at a moment of virtual time. */
export interface Task {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

/**
 * Virtual time: runs what is due in the order of its moments, one step after the other. Between two steps every promise
 * that can settle has settled, so that a run depends on nothing but what was scheduled.
 */
export class Scheduler {
  #now = 0
  #order = 0
  #step = 0
  readonly #heap: Task[] = []

  /** Milliseconds since the run began. */
  get now(): number {
    return this.#now
  }

  /** How many steps were taken: what is done in one step is done at once. */
  get step(): number {
    return this.#step
  }

  after(ms: number, run: () => void): Task {
    const task: Task = { at: this.#now + Math.max(0, ms), order: this.#order++, run }
    this.#push(task)
    return task
  }

  cancel(task: Task): void {
    task.run = undefined
  }

  /** Runs everything that is due until `end`, and stops early when `isOver` says so. */
  async runUntil(end: number, isOver: () => boolean = () => false): Promise<void> {
    // What was called just now may have something to schedule.
    await promisesSettled()
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > end || isOver()) break
      this.#pop()
      const { run } = next
      if (run === undefined) continue
      this.#now = next.at
      this.#step++
      run()
      await promisesSettled()
    }
    if (!isOver()) this.#now = end
  }

  #push(task: Task): void {
    const heap = this.#heap
    let at = heap.push(task) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(task, heap[parent])) break
      heap[at] = heap[parent] as Task
      at = parent
    }
    heap[at] = task
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= heap.length) break
      const child = left + 1 < heap.length && isBefore(heap[left + 1], heap[left]) ? left + 1 : left
      if (!isBefore(heap[child], last)) break
      heap[at] = heap[child] as Task
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Task | undefined, b: Task | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function promisesSettled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Midnight before the simulated day, epoch ms. */
export const epoch = Date.UTC(2026, 0, 1)

/** The clock of one process, which dies with it and whose wall may be wrong. */
export class ProcessClock implements Clock {
  readonly #scheduler: Scheduler
  readonly #bootedAt: number
  #skew: number
  #isStopped = false

  /** @param skew - ms by which its wall clock is wrong */
  constructor(scheduler: Scheduler, skew: number, bootedAt: number) {
    this.#scheduler = scheduler
    this.#skew = skew
    this.#bootedAt = bootedAt
  }

  now(): number {
    return Math.floor(epoch + this.#scheduler.now + this.#skew)
  }

  monotonic(): number {
    return this.#scheduler.now + this.#bootedAt
  }

  setTimer(run: () => void, ms: number): Timer {
    return this.#scheduler.after(ms, () => {
      if (!this.#isStopped) run()
    })
  }

  clearTimer(timer: Timer): void {
    this.#scheduler.cancel(timer as Task)
  }

  endOfTurn(run: () => void): void {
    this.setTimer(run, 0)
  }

  /** Moves the wall clock alone. */
  setSkew(skew: number): void {
    this.#skew = skew
  }

  /** The process is dead: no timer of it fires any more. */
  stop(): void {
    this.#isStopped = true
  }
}
