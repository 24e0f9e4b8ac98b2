import assert from 'node:assert/strict'
import { ManualClock } from '../support/manual-clock.js'
import { type Asked, type Got, send } from './client.js'
import {
  type Answer,
  type CacheOptions,
  type Call,
  type Framework,
  type Handler,
  type Origin,
  type Preset,
  startOrigin,
} from './origin.js'

/** Fields by name. */
export type Fields = Readonly<Record<string, string | readonly string[]>>

/** Two requests with some time between them. */
export interface Twice {
  readonly first?: Asked
  readonly second?: Asked
  /** Seconds between them. @defaultValue 1 */
  readonly after?: number
}

/** One server with a cache in front of a handler, and a client that sees its bytes: where one rule is tried. */
export class Trial {
  readonly clock = new ManualClock(Math.floor(Date.now() / 1000) * 1000)
  /** What has reached the handler. */
  readonly calls: Call[] = []
  readonly #framework: Framework
  readonly #preset: Preset
  #handler: Handler = () => ({})
  #origin: Promise<Origin> | undefined
  #options: CacheOptions = {}
  #arrivals = 0
  #onArrival = () => {}

  constructor(framework: Framework, preset: Preset) {
    this.#framework = framework
    this.#preset = preset
  }

  /** Options of the cache beside its preset; before the first request. */
  setUp(options: CacheOptions): void {
    this.#options = options
  }

  /** What the handler answers from now on: always the same, or by call. */
  answer(by: Answer | Handler): void {
    this.#handler = typeof by === 'function' ? by : () => by
  }

  async ask(asked: Asked = {}): Promise<Got> {
    this.#origin ??= startOrigin(
      this.#framework,
      this.#preset,
      this.clock,
      this.#options,
      (call) => this.#handle(call),
      () => this.#arrive(),
    )
    const { port } = await this.#origin
    return send(port, asked)
  }

  get(fields: Fields = {}): Promise<Got> {
    return this.ask({ fields })
  }

  /** Resolves when so many requests in all have reached the cache. */
  arrived(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#onArrival = () => {
        // The cache, called next, decides in this turn.
        if (this.#arrivals >= count) setImmediate(resolve)
      }
      this.#onArrival()
    })
  }

  /** Moves the clock on, in seconds. */
  wait(seconds: number): void {
    this.clock.advance(seconds * 1000)
  }

  /** An HTTP-date so many seconds from now. */
  date(offset = 0): string {
    return new Date(this.clock.now() + offset * 1000).toUTCString()
  }

  /** Asks twice, and demands that the second answer comes from the store. */
  async reuses(answer: Answer | Handler, twice: Twice = {}): Promise<Got> {
    const got = await this.#twice(answer, twice)
    assert.equal(this.calls.length, 1, `the handler ran ${this.calls.length} times, not once`)
    return got
  }

  /** Asks twice, and demands that the second request reaches the handler too. */
  async forwards(answer: Answer | Handler, twice: Twice = {}): Promise<Got> {
    const got = await this.#twice(answer, twice)
    assert.equal(this.calls.length, 2, `the handler ran ${this.calls.length} times, not twice`)
    return got
  }

  async close(): Promise<void> {
    await (await this.#origin)?.close()
  }

  #arrive(): void {
    this.#arrivals += 1
    this.#onArrival()
  }

  async #handle(call: Call): Promise<Answer> {
    this.calls.push({ ...call, fields: seenBy(call) })
    const answer = await this.#handler(call)
    return hasBody(answer) ? { body: `body ${call.run}`, ...answer } : answer
  }

  async #twice(answer: Answer | Handler, { first, second, after = 1 }: Twice): Promise<Got> {
    this.answer(answer)
    await this.ask(first)
    this.wait(after)
    return this.ask(second ?? first)
  }
}

function hasBody({ status = 200 }: Answer): boolean {
  return status !== 204 && status !== 304
}

/** What the cache adds and takes away for a run, and what no response depends on: the copy is none of the inputs of the run. */
const CONDITIONS = [
  'cache-control',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
] as const

/** The fields of a call as they were when it came; others than conditions are looked up when they are asked for. */
function seenBy({ fields }: Call): Call['fields'] {
  return Object.create(fields, Object.fromEntries(CONDITIONS.map((name) => [name, { value: fields[name] }])))
}
