import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { Stamp } from '../stamp.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { decodeHead, HEAD_BYTES } from '../tiers/wire-frame.js'
import { HEAD_START } from './head.js'
import { entryName, ownName } from './names.js'

/**
 * The result of a read: the bytes under the key, `undefined` if there are none, `'unchanged'` if the reader already has
 * them, or `'current'` if it said so itself.
 */
export type Read = Buffer | undefined | 'unchanged' | 'current'

/** What the reader already has. */
export interface Held {
  /** The id of a large entry. */
  readonly id: string | undefined
  readonly stamp: Stamp
  /**
   * Whether it is what Redis has; asked when the log has been followed up to a head that was read since. Then nothing else
   * is read.
   */
  readonly isCurrent?: (() => boolean) | undefined
  /** Told of the head, if the entry was read together with it, as of the same moment. */
  readonly readWith?: ((head: string | undefined) => void) | undefined
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
  /** The names that are read for the head alone, in turn: the others do not exist. */
  readonly #alone: readonly (readonly string[])[]
  #aloneBefore = 0
  #followers: Reader<undefined>[] = []

  constructor({ port, settings }: EntryParts, tier: RedisTier, follow: Follow) {
    const { clock, keyPrefix } = settings
    this.#port = port
    this.#tier = tier
    this.#clock = clock
    this.#keyPrefix = keyPrefix
    this.#headKey = ownName(keyPrefix, 'head')
    const none = ownName(keyPrefix, 'probe')
    this.#alone = [[this.#headKey], [this.#headKey, none], [this.#headKey, none, none]]
    this.#follow = follow
  }

  /**
   * Reads the bytes under a key. When the promise resolves, the mirror has applied the log up to a head read with them
   * or later, so that it can judge them.
   *
   * @param held - an entry that is not sent again if the reader knows that it is current, or, for a large one, if its first
   * line shows that it is unchanged
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
      // Readers that have nothing in common get all of it.
      if (readers.held !== held) readers.held = sameLarge(readers.held, held)
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
    const unconfirmed: (readonly [string, Held])[] = []
    for (const [key, { held }] of readers) {
      if (held?.isCurrent !== undefined) unconfirmed.push([key, held])
      else if (held?.id === undefined) whole.push(key)
      else begun.push(this.#getUnlessHeld(key, held.id, held))
    }
    const [[head, ...frames], others] = await Promise.all([this.#getWithHead(whole), Promise.all(begun)])
    const found = new Map<string, Read>(others)
    whole.forEach((key, index) => {
      found.set(key, frames[index])
    })
    const text = head?.toString()
    const catchUp = this.#follow(text, askedAt)
    if (catchUp !== undefined) await catchUp
    if (!this.#port.isCluster) for (const key of whole) readers.get(key)?.held?.readWith?.(text)
    if (unconfirmed.length > 0) await this.#confirm(unconfirmed, found)
    return found
  }

  /** Asks the readers that have an entry whether it is current, and reads the others. */
  async #confirm(unconfirmed: readonly (readonly [string, Held])[], found: Map<string, Read>): Promise<void> {
    const changed = new Map<string, Readers>()
    for (const [key, held] of unconfirmed) {
      if (held.isCurrent?.() === true) found.set(key, 'current')
      else changed.set(key, { held: { ...held, isCurrent: undefined }, waiting: [] })
    }
    if (changed.size === 0) return
    for (const [key, read] of await this.#fetch(changed)) found.set(key, read)
  }

  #getWithHead(keys: readonly string[]): Promise<(Buffer | undefined)[]> {
    if (keys.length === 0) return this.#getHeadAlone()
    const names = [this.#headKey, ...keys.map((key) => entryName(this.#keyPrefix, key))]
    return this.#port.isCluster ? this.#getEach(names) : this.#getInTurn(names)
  }

  /**
   * The command alternates, so that the reply to another one is not mistaken for this one's: by the number of its names; on
   * a cluster, which refuses several names while their slot is moved, by the part of the head that it leaves out.
   */
  async #getHeadAlone(): Promise<(Buffer | undefined)[]> {
    const form = (this.#aloneBefore + 1) % this.#alone.length
    this.#aloneBefore = form
    if (!this.#port.isCluster) return this.#getAll(this.#alone[form] ?? [this.#headKey])
    const rest = await this.#getOne(this.#headKey, ['GETRANGE', this.#headKey, String(form), '-1'])
    return [rest?.length ? Buffer.from(HEAD_START.slice(0, form) + rest) : undefined]
  }

  /** Reads the first line, and the rest only if it differs from the reader's entry. */
  async #getUnlessHeld(key: string, id: string, { stamp }: Held): Promise<readonly [string, Read]> {
    const name = entryName(this.#keyPrefix, key)
    const begin = await this.#getOne(name, ['GETRANGE', name, '0', String(HEAD_BYTES - 1)])
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

/** What two readers of a key both have, if it is large. */
function sameLarge(one: Held | undefined, other: Held | undefined): Held | undefined {
  return one?.id !== undefined && one.id === other?.id ? { id: one.id, stamp: one.stamp } : undefined
}

/** The bytes of a reply; `undefined` for nil. */
export function asBuffer(reply: unknown): Buffer | undefined {
  if (reply === null || reply === undefined) return undefined
  return Buffer.isBuffer(reply) ? reply : Buffer.from(String(reply))
}
