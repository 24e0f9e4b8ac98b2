import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { Stamp } from '../stamp.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { Script } from '../tiers/script.js'
import { decodeHead, headBytes } from '../tiers/wire-frame.js'
import { coverText } from './cover.js'
import { entryName, ownName } from './names.js'

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

/** Newer records that a write looks through; with more, its process has to catch up first. */
const mostUnread = 200

/** Finds the id of the tombstone that a frame is, or comes after. */
const carried = `
  local retired = string.match(old, '^fallback%-cache/1 %S+ %d+ 0 0 0 0 0 0 (%w+)\\n')
  retired = retired or string.match(old, '^fallback%-cache/1 [^\\n]* %+(%w+)[ \\n]')
`

/**
 * Gives way to an entry with a newer position, or, for an entry that comes late, to one not stored earlier. Gives the id
 * of a tombstone that the entry does not come after, but what is there is or does.
 *
 * KEYS: the entry, then outside of a cluster the head and the log. A command may arrive minutes after it was sent, when no
 * tombstone is left and no process remembers the record of the key: the log is asked whether it names the key since.
 */
const writeScript = new Script(`
if KEYS[2] then
  local head = redis.pcall('GET', KEYS[2])
  local life, at = string.match(type(head) == 'string' and head or '', '^%d+ (%S+) (%d+) ')
  if life ~= ARGV[3] then return 'behind' end
  if at ~= ARGV[8] then
    local records = redis.pcall('XRANGE', KEYS[3], ARGV[8], '+', 'COUNT', ${mostUnread + 1})
    if records.err or #records > ${mostUnread} or not records[1] or records[1][1] ~= ARGV[8] .. '-0' then return 'behind' end
    for index = 2, #records do
      if string.find(records[index][2][4], ARGV[9], 1, true) then return 'behind' end
    end
  end
end
local old = redis.pcall('GETRANGE', KEYS[1], 0, 255)
if type(old) == 'string' then
  ${carried}
  if retired and ARGV[7] ~= retired and not string.find(ARGV[10], retired, 1, true) then return retired end
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
 * Leaves a tombstone with an id in the place of an entry; where there is none, only if ARGV[4] says so. Keeps the position
 * and the remaining lifetime of an older tombstone, which may be needed longer. When Redis is full, the entry goes.
 * Gives the first bytes of what was there, all of it for an entry without a body, the id, and that of the tombstone that was there
 * or that the entry came after. Leaves alone what is no entry.
 *
 * Over a tombstone that is not among the older ones in ARGV[6], or what came after one, the id is ARGV[5], which no process knows
 * yet: which of the two is the newer one cannot be told, and processes may hold entries that came after ARGV[2] alone.
 */
const retireScript = new Script(`
local old = redis.pcall('GETRANGE', KEYS[1], 0, 255)
local id = ARGV[2]
if type(old) ~= 'string' then return { '', id, '' } end
local met = ''
local at, ttl = '0', tonumber(ARGV[3])
if old == '' then
  if ARGV[4] ~= '1' then return { '', id, '' } end
else
  local incarnation, position, ends, body = string.match(old, '^fallback%-cache/1 (%S+) (%d+) %d+ %d+ (%d+) %d+ %d+ (%d+)')
  if not incarnation then return { '', id, '' } end
  if incarnation == ARGV[1] then at = position end
  ${carried}
  met = retired or ''
  if retired and retired ~= id and not string.find(ARGV[6], retired, 1, true) then id = ARGV[5] end
  if ends == '0' then ttl = math.max(ttl, redis.call('PTTL', KEYS[1])) end
  if ends ~= '0' and body == '0' then old = redis.call('GETRANGE', KEYS[1], 0, 65535) end
end
local frame = 'fallback-cache/1 ' .. ARGV[1] .. ' ' .. at .. ' 0 0 0 0 0 0 ' .. id .. '\\n'
local done = redis.pcall('SET', KEYS[1], frame, 'PX', string.format('%.0f', ttl))
if type(done) == 'table' and done.err then redis.call('DEL', KEYS[1]) end
return { old, id, met }
`)

/**
 * What became of a write: done; not done because something newer is there, or because the log has records that the process
 * has to read first; or the id of the tombstone that it lost to.
 */
export type Written = 'written' | 'newer' | 'behind' | { readonly lostTo: string }

/** A tombstone to be left at a key. */
export interface Tombstone {
  readonly key: string
  readonly id: string
  /** Its id in the place of another tombstone that is not among `older`, or of what came after such a one. */
  readonly otherId: string
  /** Ids of tombstones that are known to be older, with spaces between them. */
  readonly older: string
  /** Whether it may be left where there is no entry. */
  readonly mayCreate: boolean
}

/** A tombstone that was left. */
export interface Left {
  readonly key: string
  /** The id that it has in Redis. */
  readonly leftId: string
  /** The id of the tombstone that was there, or that an entry there came after; `''`: none. */
  readonly met: string
  /** The first bytes of what was there; all of it for an entry without a body. */
  readonly existed: Buffer
}

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
  readonly #logKey: string
  readonly #follow: Follow
  #readers: Map<string, Readers> | undefined
  /** Whether the head came first in the last reply, so that it comes last in the next. */
  #headFirst = false
  #followers: Reader<undefined>[] = []

  constructor(port: RedisPort, tier: RedisTier, clock: Clock, keyPrefix: string, follow: Follow) {
    this.#port = port
    this.#tier = tier
    this.#clock = clock
    this.#keyPrefix = keyPrefix
    this.#headKey = ownName(keyPrefix, 'head')
    this.#logKey = ownName(keyPrefix, 'log')
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
   * Stores a frame, unless what is there is newer, or the log names its key after `applied`.
   *
   * @param applied - the position up to which the entry has been judged
   * @param late - for an entry written back after an outage
   * @param after - id of the tombstone that the entry comes after, and those of older ones
   */
  async write(
    key: string,
    frame: Buffer,
    ttl: number,
    stamp: Stamp,
    applied: number,
    late?: LateEntry,
    after = { id: '', older: '' },
  ): Promise<Written> {
    const args = [frame, String(Math.max(1, Math.ceil(ttl))), stamp.incarnation, String(stamp.position)]
    args.push(String(late?.storedAt ?? ''), String(late?.goodFrom ?? 0), after.id)
    args.push(String(applied), JSON.stringify(coverText({ kind: 'key', key })), after.older)
    const name = entryName(this.#keyPrefix, key)
    const keys: [string, ...string[]] = this.#port.isCluster ? [name] : [name, this.#headKey, this.#logKey]
    const outcome = String(await this.#tier.run(() => writeScript.run(this.#port, keys, args), 'store'))
    if (outcome === 'behind') return 'behind'
    return outcome === '1' ? 'written' : outcome === '0' ? 'newer' : { lostTo: outcome }
  }

  /**
   * Leaves a tombstone at each of these keys, all within one deadline.
   *
   * @param ttl - ms
   */
  retire(tombstones: readonly Tombstone[], { incarnation }: Stamp, ttl: number): Promise<readonly Left[]> {
    const leave = async ({ key, id, otherId, older, mayCreate }: Tombstone): Promise<Left> => {
      const args = [incarnation, id, String(Math.ceil(ttl)), mayCreate ? '1' : '0', otherId, older]
      const reply = await retireScript.run(this.#port, [entryName(this.#keyPrefix, key)], args)
      const [existed, left, met] = Array.isArray(reply) ? reply.map(asBuffer) : []
      return { key, leftId: left?.toString() ?? id, met: met?.toString() ?? '', existed: existed ?? NOTHING }
    }
    return this.#tier.run(() => Promise.all(tombstones.map(leave)), 'store')
  }

  /** Stores a frame in the place of one that begins as `start` says, and of no other. */
  async amend(key: string, frame: Buffer, ttl: number, start: Buffer): Promise<void> {
    const name = entryName(this.#keyPrefix, key)
    const args = [frame, String(Math.max(1, Math.ceil(ttl))), start]
    await this.#tier.run(() => amendScript.run(this.#port, [name], args), 'store')
  }

  /** Takes out what is under a key, whatever it is. */
  async remove(key: string): Promise<void> {
    const name = entryName(this.#keyPrefix, key)
    await this.#tier.run(() => this.#port.send(name, ['UNLINK', name]), 'store')
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

  /** The head comes first and last in turn: the reply to the question before is not taken for the one to this. */
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

const NOTHING = Buffer.alloc(0)

function asBuffer(reply: unknown): Buffer | undefined {
  if (reply === null || reply === undefined) return undefined
  return Buffer.isBuffer(reply) ? reply : Buffer.from(String(reply))
}
