import { EventEmitter } from 'node:events'
import { loadSharedStore } from '../../src/core/coherence/shared-access.js'
import type { IoredisLike, RedisArgument } from '../../src/core/tiers/redis-client.js'
import type { FakeRedis } from './fake-redis.js'
import { type Reply, Status } from './keyspace.js'
import { Connection, type Sent, type Weather } from './network.js'
import type { Random } from './random.js'
import type { Scheduler } from './scheduler.js'

// Code cannot be loaded in virtual time.
await loadSharedStore()

/** What a client does with commands it has no connection for, and with those that lost theirs. */
export interface ClientHabits {
  /** Keeps commands until there is a connection, as ioredis does by default. */
  readonly queuesOffline: boolean
  /** Sends again what was not answered when the connection broke, as ioredis does by default. */
  readonly resends: boolean
}

/** A client of the {@link FakeRedis}, shaped like ioredis: reconnects by itself, and tells by `status` and events. */
export class FakeClient extends EventEmitter implements IoredisLike {
  status = 'connecting'
  readonly weather: Weather = { latency: 0.2, jitter: 1, blocksCommands: false, blocksReplies: false }
  readonly #scheduler: Scheduler
  readonly #redis: FakeRedis
  readonly #random: Random
  readonly #habits: ClientHabits
  #connection: Connection | undefined
  /** What is left of earlier ones: bytes that the network still holds. */
  readonly #ended: Connection[] = []
  #queue: Sent[] = []
  #isDead = false

  constructor(scheduler: Scheduler, redis: FakeRedis, random: Random, habits: ClientHabits) {
    super()
    this.#scheduler = scheduler
    this.#redis = redis
    this.#random = random
    this.#habits = habits
    this.#connectIn(1)
  }

  callBuffer(name: string, ...args: RedisArgument[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const command = [name, ...args].map((part) => (typeof part === 'string' ? Buffer.from(part) : part))
      const sent: Sent = { command, reject, resolve: (reply) => resolve(plain(reply)) }
      if (this.#connection !== undefined) this.#connection.send(sent)
      else if (this.#habits.queuesOffline) this.#queue.push(sent)
      else reject(new Error("Stream isn't writeable and enableOfflineQueue options is false"))
    })
  }

  async connect(): Promise<void> {}

  disconnect(reconnects = false): void {
    if (reconnects) this.break(this.#random.between(1, 50))
  }

  /** A reply comes that nothing asked for. */
  surplusReply(): void {
    this.#connection?.surplus()
  }

  /** The next replies on this connection go missing. */
  loseReplies(count: number): void {
    this.#connection?.lose(count)
  }

  /** The connection breaks, and the client tries to make another. */
  break(reconnectIn: number): void {
    const connection = this.#connection
    if (connection === undefined || this.#isDead) return
    this.#connection = undefined
    this.status = 'reconnecting'
    const unanswered = connection.close()
    this.#ended.push(connection)
    if (this.#habits.resends) this.#queue.unshift(...unanswered)
    else for (const sent of unanswered) sent.reject(new Error('Connection is closed.'))
    this.emit('close')
    this.#connectIn(reconnectIn)
  }

  /** The weather has changed: lets go what was held, or holds it. */
  followWeather(): void {
    this.#connection?.follow()
    for (const connection of this.#ended) connection.follow()
  }

  /** The process is dead. What it had sent may still arrive. */
  kill(): void {
    this.#isDead = true
    this.#connection?.close()
    if (this.#connection !== undefined) this.#ended.push(this.#connection)
    this.#connection = undefined
    this.removeAllListeners()
  }

  #connectIn(ms: number): void {
    this.#scheduler.after(ms, () => {
      if (this.#isDead) return
      const { blocksCommands, blocksReplies } = this.weather
      if (!this.#redis.isUp || blocksCommands || blocksReplies) this.#connectIn(this.#random.between(20, 500))
      else this.#connected()
    })
  }

  #connected(): void {
    const breaks = () => {
      if (this.#connection === connection) this.break(this.#random.between(5, 100))
    }
    const connection = new Connection(this.#scheduler, this.#redis, this.weather, this.#random, breaks, () => {
      if (this.#connection === connection) this.emit('error', new Error('Command queue state error.'))
    })
    this.#connection = connection
    this.status = 'ready'
    const queued = this.#queue
    this.#queue = []
    if (this.#random.chance(0.5)) {
      for (const sent of queued) connection.send(sent)
      this.emit('ready')
    } else {
      this.emit('ready')
      for (const sent of queued) connection.send(sent)
    }
  }
}

/** As ioredis gives it: text as Buffers, and the rest as it is. */
function plain(reply: Reply): unknown {
  if (reply instanceof Status) return Buffer.from(reply.text)
  return Array.isArray(reply) ? reply.map(plain) : reply
}
