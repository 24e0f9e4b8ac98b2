import { performance } from 'node:perf_hooks'
import { type AnswerSource, answerSource } from '../answer-source.js'
import type { City } from '../atlas.js'
import type { AppName } from '../front.js'
import { ask, keepAliveAgent } from '../request.js'
import { KNOWN_CITIES, popularPath } from '../traffic.js'
import { isOutdated, type Revisions } from './freshness-check.js'
import { Phase } from './phase.js'

const TICK_MS = 5
const WRITE_INTERVAL_MS = 500

/**
 * People who ask at a steady rate whether the server keeps up or not, and note what they get. A request is timed from the
 * moment it was due, so that waiting in line counts.
 */
export class Users {
  readonly #origin: string
  readonly #perSecond: number
  readonly #agent = keepAliveAgent(64)
  readonly #revisions = new Map<number, number>()
  readonly #running = new Set<Promise<void>>()
  #phase = new Phase('', false)
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
      for (; due <= performance.now(); due += interval) this.#begin(this.read(popularPath(), undefined, due))
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
  async read(path: string, app?: AppName, due = performance.now()): Promise<void> {
    const phase = this.#phase
    const known: Revisions = new Map(this.#revisions)
    let status = 0
    let source: AnswerSource = 'none'
    let outdated = false
    try {
      const answer = await ask(this.#origin, { path, app }, this.#agent)
      status = answer.status
      source = answerSource(answer.headers['cache-status']?.toString())
      outdated = status === 200 && isOutdated(path, JSON.parse(answer.body.toString()), known)
    } catch {
      // A request without an answer is a failed one.
    }
    phase.read(performance.now() - due, status, source, outdated)
  }

  async #writeNext(): Promise<void> {
    const phase = this.#phase
    const city = KNOWN_CITIES[this.#writes % KNOWN_CITIES.length]
    const app: AppName = this.#writes % 2 === 0 ? 'express' : 'koa'
    this.#writes++
    if (city === undefined) return
    let status = 0
    try {
      const body = { population: 1_000_000 + this.#writes }
      const answer = await ask(this.#origin, { method: 'PATCH', path: `/cities/${city.id}`, app, body }, this.#agent)
      status = answer.status
      const written: City = JSON.parse(answer.body.toString())
      this.#revisions.set(city.id, written.revision)
    } catch {
      // Counted as failed below; whether it was written is not known, so nothing is demanded of later reads.
    }
    phase.write(status)
  }

  #begin(work: Promise<void>): void {
    this.#running.add(work)
    work.finally(() => this.#running.delete(work))
  }
}
