import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { Script } from '../tiers/script.js'
import type { Stamp } from '../wire-frame.js'
import { entryName } from './names.js'

interface Reader {
  readonly resolve: (frame: Buffer | undefined) => void
  readonly reject: (error: unknown) => void
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
  #readers: Map<string, Reader[]> | undefined
  #followers: Reader[] = []

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
   * @throws CacheError when Redis did not answer, or the log could not be followed, within the deadline
   */
  read(key: string): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      const readers = this.#gather()
      const waiting = readers.get(key)
      if (waiting === undefined) readers.set(key, [{ resolve, reject }])
      else waiting.push({ resolve, reject })
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

  /** Takes out what is under a key, whatever it is. */
  async remove(key: string): Promise<void> {
    const name = entryName(this.#keyPrefix, key)
    await this.#tier.run(() => this.#port.send(name, ['UNLINK', name]))
  }

  /** The reads of this turn, which go out at its end. */
  #gather(): Map<string, Reader[]> {
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
    const keys = [...readers.keys()]
    this.#tier
      .run(() => this.#fetch(keys))
      .then(
        (frames) => {
          keys.forEach((key, index) => {
            for (const reader of readers.get(key) ?? []) reader.resolve(frames[index])
          })
          for (const follower of followers) follower.resolve(undefined)
        },
        (error: unknown) => {
          for (const waiting of readers.values()) for (const reader of waiting) reader.reject(error)
          for (const follower of followers) follower.reject(error)
        },
      )
  }

  async #fetch(keys: readonly string[]): Promise<(Buffer | undefined)[]> {
    const askedAt = this.#clock.monotonic()
    const names = [this.#headKey, ...keys.map((key) => entryName(this.#keyPrefix, key))]
    const replies = this.#port.isCluster ? await this.#getEach(names) : await this.#getAll(names)
    const [head, ...frames] = replies
    const catchUp = this.#follow(head?.toString(), askedAt)
    if (catchUp !== undefined) await catchUp
    return frames
  }

  async #getAll(names: readonly string[]): Promise<(Buffer | undefined)[]> {
    const reply = await this.#port.send(this.#headKey, ['MGET', ...names])
    if (!Array.isArray(reply)) throw new CacheError('redis-reply', 'Redis gave no list for MGET')
    return reply.map(asBuffer)
  }

  /** In a cluster the keys live on several nodes; a key of another type is an error there, where MGET gives nil. */
  #getEach(names: readonly string[]): Promise<(Buffer | undefined)[]> {
    return Promise.all(
      names.map(async (name) => {
        try {
          return asBuffer(await this.#port.send(name, ['GET', name]))
        } catch (error) {
          if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined
          throw error
        }
      }),
    )
  }
}

function asBuffer(reply: unknown): Buffer | undefined {
  if (reply === null || reply === undefined) return undefined
  return Buffer.isBuffer(reply) ? reply : Buffer.from(String(reply))
}
