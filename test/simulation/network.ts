import type { FakeRedis } from './fake-redis.js'
import type { Reply } from './keyspace.js'
import type { Random } from './random.js'
import type { Scheduler } from './scheduler.js'

/** One direction of a connection: what goes in comes out later, in order, unless the line is blocked. */
class Pipe<T> {
  readonly #scheduler: Scheduler
  readonly #deliver: (item: T) => void
  #waiting: { readonly item: T; readonly readyAt: number }[] = []
  #isBlocked = false
  #lastAt = 0

  constructor(scheduler: Scheduler, deliver: (item: T) => void) {
    this.#scheduler = scheduler
    this.#deliver = deliver
  }

  push(item: T, delay: number): void {
    this.#lastAt = Math.max(this.#lastAt, this.#scheduler.now + delay)
    this.#waiting.push({ item, readyAt: this.#lastAt })
    this.#scheduler.after(this.#lastAt - this.#scheduler.now, () => this.#flow())
  }

  block(isBlocked: boolean): void {
    this.#isBlocked = isBlocked
    if (!isBlocked) this.#scheduler.after(0, () => this.#flow())
  }

  /** Nothing that is still on its way arrives, but for the first `count`. */
  cut(count: number): void {
    this.#waiting = this.#waiting.slice(0, count)
  }

  get length(): number {
    return this.#waiting.length
  }

  #flow(): void {
    // The smallest slack: a moment and a distance do not always add up to the same double.
    const [first] = this.#waiting
    if (this.#isBlocked || first === undefined || first.readyAt > this.#scheduler.now + 1e-6) return
    this.#waiting.shift()
    this.#deliver(first.item)
    this.#flow()
  }
}

/** A command on its way, and who waits for it. */
export interface Sent {
  readonly command: readonly Buffer[]
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
}

/** What the network between one process and Redis is like. */
export interface Weather {
  /** Shortest way, ms. */
  latency: number
  /** What may come on top, ms. */
  jitter: number
  blocksCommands: boolean
  blocksReplies: boolean
}

/** A connection of one client to the server's present life. */
export class Connection {
  readonly life: number
  readonly #random: Random
  readonly #weather: Weather
  readonly #up: Pipe<Sent>
  readonly #down: Pipe<Reply | Error>
  /** In the order in which they were sent: replies are told apart by nothing else. */
  readonly #unanswered: Sent[] = []
  #lastReply: Reply | Error = null
  /** How many of the next replies go missing. */
  #losing = 0
  #isClosed = false

  /**
   * @param onReset - the server is gone: the connection breaks when something is sent on it
   * @param onSurplus - a reply came that nothing waits for
   */
  constructor(
    scheduler: Scheduler,
    redis: FakeRedis,
    weather: Weather,
    random: Random,
    onReset: () => void,
    onSurplus: () => void,
  ) {
    this.life = redis.life
    this.#random = random
    this.#weather = weather
    this.#up = new Pipe(scheduler, (sent) => {
      if (!redis.isUp || redis.life !== this.life) {
        if (!this.#isClosed) onReset()
        return
      }
      const reply = answer(redis, sent.command)
      this.#lastReply = reply
      if (this.#losing > 0) this.#losing--
      else if (!this.#isClosed) this.#down.push(reply, this.#delay())
    })
    this.#down = new Pipe(scheduler, (reply) => {
      const sent = this.#unanswered.shift()
      if (sent === undefined) onSurplus()
      else if (reply instanceof Error) sent.reject(reply)
      else sent.resolve(reply)
    })
    this.follow()
  }

  send(sent: Sent): void {
    this.#unanswered.push(sent)
    this.#up.push(sent, this.#delay())
  }

  /** A reply comes that nothing asked for: the last one once more, or an empty one. */
  surplus(): void {
    const reply = this.#random.pick([this.#lastReply, this.#lastReply, null, [null, null]])
    if (!this.#isClosed) this.#down.push(reply, this.#delay())
  }

  /** The next replies go missing, and those after them come as ever. */
  lose(count: number): void {
    this.#losing += count
  }

  /** The weather has changed. */
  follow(): void {
    this.#up.block(this.#weather.blocksCommands)
    this.#down.block(this.#weather.blocksReplies)
  }

  /** Gives the commands that were not answered. Some of them may have been carried out, or will be yet. */
  close(): readonly Sent[] {
    this.#isClosed = true
    this.#down.cut(0)
    this.#up.cut(this.#random.below(this.#up.length + 1))
    return this.#unanswered.splice(0)
  }

  #delay(): number {
    return this.#weather.latency + this.#random.fraction() * this.#weather.jitter
  }
}

function answer(redis: FakeRedis, command: readonly Buffer[]): Reply | Error {
  try {
    return redis.execute(command)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
