import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { Script } from '../tiers/script.js'
import { decodeHead, headBytes, type Stamp } from '../wire-frame.js'
import { entryName } from './names.js'

/** What a read gave: the bytes under the key, `undefined` for none, or that they are those the reader has. */
export type Read = Buffer | undefined | 'unchanged'

/** The large entry that a reader has already, and with which stamp. */
export interface Held {
  readonly id: string
  readonly stamp: Stamp
}

interface Reader<T> {
  readonly resolve: (result: T) => void
  readonly reject: (error: unknown) => void
}

/** The readers of one key in one turn. */
interface Readers {
  /** What all of them have. */
  held: Held | undefined
  readonly waiting: Reader<Read>[]
}

/** When an entry that is written late was stored, and from which position on another one under its key is good. */
export interface LateEntry {
  /** Epoch ms. */
  readonly storedAt: number
  readonly goodFrom: number
}

/** Catches up with the log as far as a head says; see `Coherence.follow`. */
export type Follow = (head: string | undefined, askedAt: number) => undefined | Promise<void>

/** Gives way to an entry with a newer position, or, for an entry that comes late, to one not stored earlier. */
const writeScript = new Script(`
local old = redis.pcall('GETRANGE', KEYS[1], 0, 255)
if type(old) == 'string' then
  local incarnation, position, stored = string.match(old, '^fallback%-cache/1 (%S+) (%d+) (%d+) ')
  if incarnation == ARGV[3] then
    local theirs, ours = tonumber(position), tonumber(ARGV[4])
    if theirs > ours then return 0 end
    if ARGV[5] ~= '' and theirs >= tonumber(ARGV[6]) and tonumber(stored) >= tonumber(ARGV[5]) then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

/** Replaces an entry by itself, with other bytes. */
const amendScript = new Script(`
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[3] - 1) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

/**
 * Entries in Redis: all reads of one turn of the event loop in one command together with the head of the log, writes
 * that give way to what is newer.
 */
export class SharedEntries {
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #clock: Clock
  readonly #keyPrefix: string
  readonly #headKey: string
  readonly #follow: Follow
  #readers: Map<string, Readers> | undefined
  #followers: Reader<undefined>[] = []

  constructor(port: RedisPort, tier: RedisTier, clock: Clock, keyPrefix: string, headKey: string, follow: Follow) {
    this.#port = port
    this.#tier = tier
    this.#clock = clock
    this.#keyPrefix = keyPrefix
    this.#headKey = headKey
    this.#follow = follow
  }

  /**
   * The bytes under a key, to be judged by a mirror that has caught up with the log since they were read.
   *
   * @param held - a large entry that is not to be sent once more: its first line tells whether it is still there
   * @throws CacheError when Redis did not answer, or the log could not be followed, within the deadline
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

  /**
   * Stores a frame, unless what is there is newer.
   *
   * @param late - for an entry written back after an outage
   * @returns false when it gave way
   */
  async write(key: string, frame: Buffer, ttl: number, stamp: Stamp, late?: LateEntry): Promise<boolean> {
    const args = [frame, String(Math.max(1, Math.ceil(ttl))), stamp.incarnation, String(stamp.position)]
    args.push(String(late?.storedAt ?? ''), String(late?.goodFrom ?? 0))
    const name = entryName(this.#keyPrefix, key)
    return Number(await this.#tier.run(() => writeScript.run(this.#port, [name], args))) === 1
  }

  /** Stores a frame in the place of one that begins as `start` says, and of no other. */
  async amend(key: string, frame: Buffer, ttl: number, start: Buffer): Promise<void> {
    const name = entryName(this.#keyPrefix, key)
    const args = [frame, String(Math.max(1, Math.ceil(ttl))), start]
    await this.#tier.run(() => amendScript.run(this.#port, [name], args))
  }

  /** Takes out what is under a key, whatever it is. */
  async remove(key: string): Promise<void> {
    const name = entryName(this.#keyPrefix, key)
    await this.#tier.run(() => this.#port.send(name, ['UNLINK', name]))
  }

  /** The reads of this turn, which go out at its end. */
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
      this.#port.isCluster ? this.#getEach(names) : this.#getAll(names),
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

  /** Asks for the first line, and for the rest only where that is another one than the reader has. */
  async #getUnlessHeld(key: string, { id, stamp }: Held): Promise<readonly [string, Read]> {
    const name = entryName(this.#keyPrefix, key)
    const begin = await this.#getOne(name, ['GETRANGE', name, '0', String(headBytes - 1)])
    // What is not there begins with nothing.
    if (begin === undefined || begin.length === 0) return [key, undefined]
    const head = decodeHead(begin)
    const isHeld =
      head?.id === id && head.stamp.incarnation === stamp.incarnation && head.stamp.position === stamp.position
    return [key, isHeld ? 'unchanged' : await this.#getOne(name, ['GET', name])]
  }

  async #getAll(names: readonly string[]): Promise<(Buffer | undefined)[]> {
    const reply = await this.#port.send(this.#headKey, ['MGET', ...names])
    if (!Array.isArray(reply)) throw new CacheError('redis-reply', 'Redis gave no list for MGET')
    return reply.map(asBuffer)
  }

  /** In a cluster the keys live on several nodes. A key of another type is an error, where MGET gives nil. */
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

function asBuffer(reply: unknown): Buffer | undefined {
  if (reply === null || reply === undefined) return undefined
  return Buffer.isBuffer(reply) ? reply : Buffer.from(String(reply))
}
