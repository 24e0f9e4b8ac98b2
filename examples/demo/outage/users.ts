import { performance } from 'node:perf_hooks'
import { type AnswerSource, answerSource } from '../answer-source.js'
import type { City } from '../atlas.js'
import { type Answer, type Asked, ask, keepAliveAgent } from '../request.js'
import { KNOWN_CITIES, popularPath } from '../traffic.js'
import { isOutdated, type Revisions } from './freshness-check.js'
import { type Met, Phase } from './phase.js'

const TICK_MS = 5
const WRITE_INTERVAL_MS = 500

/**
 * People who ask at a steady rate whether the server keeps up or not, and note what they get. A request is timed from the
 * moment it was due, so that waiting in line counts. All of them ask for the same in the same order.
 */
export class Users {
  readonly #origin: string
  readonly #perSecond: number
  readonly #agent = keepAliveAgent(64)
  readonly #revisions = new Map<number, number>()
  readonly #running = new Set<Promise<void>>()
  readonly #random = sameNumbers()
  #phase = new Phase('')
  #reading: NodeJS.Timeout | undefined
  #writing: NodeJS.Timeout | undefined
  #writes = 0

  constructor(origin: string, perSecond: number) {
    this.#origin = origin
    this.#perSecond = perSecond
  }

  /** From now on answers are counted here. Requests begun before still count where they began. */
  enter(phase: Phase): void {
    this.#phase = phase
  }

  /** Begins to read. */
  start(): void {
    const interval = 1000 / this.#perSecond
    let due = performance.now()
    this.#reading = setInterval(() => {
      for (; due <= performance.now(); due += interval)
        this.#begin(this.read(popularPath(this.#random), undefined, due))
    }, TICK_MS)
  }

  /** Begins or stops to write, a city after the other, through both apps in turn. */
  write(on: boolean): void {
    clearInterval(this.#writing)
    if (!on) return
    this.#begin(this.#writeNext())
    this.#writing = setInterval(() => this.#begin(this.#writeNext()), WRITE_INTERVAL_MS)
  }

  /** Stops, and waits for what is on its way. */
  async stop(): Promise<void> {
    clearInterval(this.#reading)
    clearInterval(this.#writing)
    await Promise.all(this.#running)
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy()
  }

  /** Reads a path, through either app or the named one, and judges the answer. */
  async read(path: string, app?: string, due = performance.now()): Promise<void> {
    const phase = this.#phase
    const known: Revisions = new Map(this.#revisions)
    let outdated = false
    const met = await this.#ask({ path, app }, due, ({ body }) => {
      outdated = isOutdated(path, JSON.parse(body.toString()), known)
    })
    phase.read(met, outdated)
  }

  async #writeNext(): Promise<void> {
    const phase = this.#phase
    const city = KNOWN_CITIES[this.#writes % KNOWN_CITIES.length]
    const app = this.#writes % 2 === 0 ? 'express' : 'koa'
    this.#writes++
    if (city === undefined) return
    const body = { population: 1_000_000 + this.#writes }
    const asked = { method: 'PATCH', path: `/cities/${city.id}`, app, body } as const
    // Without an answer it is not known whether it was written, so nothing is demanded of later reads.
    const met = await this.#ask(asked, performance.now(), (answer) => {
      const written: City = JSON.parse(answer.body.toString())
      this.#revisions.set(city.id, written.revision)
    })
    phase.write(met)
  }

  /** Asks and tells what came; a request without an answer, or with one that cannot be read, is a failed one. */
  async #ask(asked: Asked, due: number, read: (answer: Answer) => void): Promise<Met> {
    let status = 0
    let source: AnswerSource = 'none'
    let error: string | undefined
    try {
      const answer = await ask(this.#origin, asked, this.#agent)
      source = answerSource(answer.headers['cache-status']?.toString())
      if (answer.status === 200) read(answer)
      status = answer.status
    } catch (thrown) {
      error = String(thrown)
    }
    const { method = 'GET', path, app } = asked
    const by = app === undefined ? '' : ` by ${app}`
    return { asked: `${method} ${path}${by}`, ms: performance.now() - due, status, error, source }
  }

  #begin(work: Promise<void>): void {
    this.#running.add(work)
    work.finally(() => this.#running.delete(work))
  }
}

/** Numbers from 0 to 1 as Math.random gives them, the same ones at every run (mulberry32). */
function sameNumbers(): () => number {
  let state = 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
