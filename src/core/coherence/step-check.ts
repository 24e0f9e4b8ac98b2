import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { echoScript } from './log-scripts.js'

/** How long a check may remain unanswered before the next one drops the connection, in ms. */
const LONGEST_SILENCE = 2000

/**
 * Checks whether the replies of Redis match the commands, by a script that returns a random text. If they do not match,
 * or no check was answered for {@link LONGEST_SILENCE}, the connection is dropped: a client may wait for ever on it.
 */
export class StepCheck {
  readonly #port: RedisPort
  readonly #headKey: string
  readonly #clock: Clock
  /** When the oldest check without a reply was sent on this connection, in monotonic ms. */
  #unansweredSince: number | undefined
  /** How many connections there were; and the last one that was dropped here. */
  #connection = 0
  #dropped: number | undefined

  constructor(port: RedisPort, headKey: string, clock: Clock) {
    this.#port = port
    this.#headKey = headKey
    this.#clock = clock
  }

  /** Notes that there is another connection, or none. */
  reconnected(): void {
    this.#connection++
    this.#unansweredSince = undefined
  }

  /** Drops the connection, because its replies do not match the commands. */
  drop(): void {
    if (this.#dropped === this.#connection) return
    this.#dropped = this.#connection
    this.#unansweredSince = undefined
    this.#port.reset()
  }

  /** Drops the connection if earlier checks on it are unanswered, so that the next one is sent on another. */
  dropIfSilent(): void {
    if (this.#unansweredSince === undefined) return
    if (this.#clock.monotonic() - this.#unansweredSince >= LONGEST_SILENCE) this.drop()
  }

  /** @throws CacheError `redis-out-of-step` if the reply does not contain this call's random text */
  async ask(): Promise<void> {
    const question = randomBytes(6).toString('hex')
    const connection = this.#connection
    this.#unansweredSince ??= this.#clock.monotonic()
    let reply: unknown
    try {
      reply = await echoScript.run(this.#port, [this.#headKey], [question])
    } finally {
      if (connection === this.#connection) this.#unansweredSince = undefined
    }
    if (String(reply) === question) return
    // Also if the caller no longer waits: only this call knows.
    if (connection === this.#connection) this.drop()
    throw new CacheError('redis-out-of-step', 'Redis replied to a different command: the connection is dropped')
  }
}
