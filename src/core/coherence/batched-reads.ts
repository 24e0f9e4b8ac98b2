import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { Stamp } from '../stamp.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { decodeHead, headBytes } from '../tiers/wire-frame.js'
import { entryName, ownName } from './names.js'

/**
 * The result of a read: the bytes under the key, `undefined` if there are none, or `'unchanged'` if the reader already
 * has them.
 */
export type Read = Buffer | undefined | 'unchanged'

/** The id and stamp of a large entry that the reader already has. */
export interface Held {
  readonly id: string
  readonly stamp: Stamp
}

interface Reader<T> {
  readonly resolve: (result: T) => void
  readonly reject: (error: unknown) => void
}

/** The readers of one key in the same turn of the event loop. */
interface Readers {
  /** The entry that all of them have. */
  held: Held | undefined
  readonly waiting: Reader<Read>[]
}

/** Follows the log up to a head; see `Coherence.follow`. */
export type Follow = (head: string | undefined, askedAt: number) => undefined | Promise<void>

/** The parts that reading and writing entries in Redis needs. */
export interface EntryParts {
  readonly port: RedisPort
  readonly settings: { readonly clock: Clock; readonly keyPrefix: string }
}

/**
 * Reads entries in Redis. All reads in one turn of the event loop are sent in one command, together with the head of
 * the log.
 */
export class BatchedReads {
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #clock: Clock
  readonly #keyPrefix: string
  readonly #headKey: string
  readonly #follow: Follow
  #readers: Map<string, Readers> | undefined
  /** Whether the head came first in the last reply, so that it comes last in the next one. */
  #headFirst = false
  #followers: Reader<undefined>[] = []

  constructor({ port, settings }: EntryParts, tier: RedisTier, follow: Follow) {
    const { clock, keyPrefix } = settings
    this.#port = port
    this.#tier = tier
    this.#clock = clock
    this.#keyPrefix = keyPrefix
    this.#headKey = ownName(keyPrefix, 'head')
    this.#follow = follow
  }

  /**
   * Reads the bytes under a key. When the promise resolves, the mirror has applied the log up to a head read with them
   * or later, so that it can judge them.
   *
   * @param held - a large entry that is not sent again if its first line shows that it is unchanged
   * @throws CacheError if Redis did not answer, or the log could not be followed, within the deadline
   */
  read(key: string, held?: Held): Promise<Read> {
    return new Promise((resolve, reject) => {
      const all = this.#gather()
      const readers = all.get(key)
      if (readers === undefined) {
        all.set(key, { held, waiting: [{ resolve, reject }] })
        return
      }
      if (readers.held?.id !== held?.id) readers.held = undefined
      readers.waiting.push({ resolve, reject })
    })
  }

  /** Catches up with the log, together with the reads of this turn. @throws as {@link read} */
  async catchUp(): Promise<void> {
    await new Promise((resolve, reject) => {
      this.#gather()
      this.#followers.push({ resolve, reject })
    })
  }

  /** The reads of this turn, which are sent at its end. */
  #gather(): Map<string, Readers> {
    if (this.#readers !== undefined) return this.#readers
    this.#readers = new Map()
    this.#clock.endOfTurn(() => this.#readAll())
    return this.#readers
  }

  #readAll(): void {
    const readers = this.#readers
    const followers = this.#followers
    this.#readers = undefined
    this.#followers = []
    if (readers === undefined) return
    this.#tier
      .run(() => this.#fetch(readers))
      .then(
        (found) => {
          for (const [key, { waiting }] of readers) for (const reader of waiting) reader.resolve(found.get(key))
          for (const follower of followers) follower.resolve(undefined)
        },
        (error: unknown) => {
          for (const { waiting } of readers.values()) for (const reader of waiting) reader.reject(error)
          for (const follower of followers) follower.reject(error)
        },
      )
  }

  async #fetch(readers: ReadonlyMap<string, Readers>): Promise<ReadonlyMap<string, Read>> {
    const askedAt = this.#clock.monotonic()
    const whole: string[] = []
    const begun: Promise<readonly [string, Read]>[] = []
    for (const [key, { held }] of readers) {
      if (held === undefined) whole.push(key)
      else begun.push(this.#getUnlessHeld(key, held))
    }
    const names = [this.#headKey, ...whole.map((key) => entryName(this.#keyPrefix, key))]
    const [[head, ...frames], others] = await Promise.all([
      this.#port.isCluster ? this.#getEach(names) : this.#getInTurn(names),
      Promise.all(begun),
    ])
    const found = new Map<string, Read>(others)
    whole.forEach((key, index) => {
      found.set(key, frames[index])
    })
    const catchUp = this.#follow(head?.toString(), askedAt)
    if (catchUp !== undefined) await catchUp
    return found
  }

  /** Reads the first line, and the rest only if it differs from the reader's entry. */
  async #getUnlessHeld(key: string, { id, stamp }: Held): Promise<readonly [string, Read]> {
    const name = entryName(this.#keyPrefix, key)
    const begin = await this.#getOne(name, ['GETRANGE', name, '0', String(headBytes - 1)])
    // GETRANGE returns an empty string for a missing key.
    if (begin === undefined || begin.length === 0) return [key, undefined]
    const head = decodeHead(begin)
    const isHeld =
      head?.id === id && head.stamp.incarnation === stamp.incarnation && head.stamp.position === stamp.position
    return [key, isHeld ? 'unchanged' : await this.#getOne(name, ['GET', name])]
  }

  /**
   * The head alternates between first and last, so that the reply to the previous command is not mistaken for this
   * one's.
   */
  async #getInTurn([head = '', ...others]: readonly string[]): Promise<(Buffer | undefined)[]> {
    this.#headFirst = !this.#headFirst
    if (this.#headFirst) return this.#getAll([head, ...others])
    const found = await this.#getAll([...others, head])
    return [found.at(-1), ...found.slice(0, -1)]
  }

  async #getAll(names: readonly string[]): Promise<(Buffer | undefined)[]> {
    const reply = await this.#port.send(this.#headKey, ['MGET', ...names])
    if (!Array.isArray(reply) || reply.length !== names.length) {
      throw new CacheError('redis-out-of-step', `Redis gave no list of ${names.length} for MGET`)
    }
    return reply.map(asBuffer)
  }

  /**
   * Reads keys separately, because those of a cluster are on several nodes. GET fails for a key of another type; MGET
   * returns nil.
   */
  #getEach(names: readonly string[]): Promise<(Buffer | undefined)[]> {
    return Promise.all(names.map((name) => this.#getOne(name, ['GET', name])))
  }

  async #getOne(name: string, command: readonly [string, ...string[]]): Promise<Buffer | undefined> {
    try {
      return asBuffer(await this.#port.send(name, command))
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined
      throw error
    }
  }
}

/** The bytes of a reply; `undefined` for nil. */
export function asBuffer(reply: unknown): Buffer | undefined {
  if (reply === null || reply === undefined) return undefined
  return Buffer.isBuffer(reply) ? reply : Buffer.from(String(reply))
}
