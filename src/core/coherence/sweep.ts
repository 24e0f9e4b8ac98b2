import { randomBytes } from 'node:crypto'
import { type Clock, settledWithin } from '../clock.js'
import type { Counters } from '../counters.js'
import { CacheError } from '../errors.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { Script } from '../tiers/script.js'
import { decodeHead } from '../tiers/wire-frame.js'
import type { Coherence } from './coherence.js'
import type { Mirror } from './mirror.js'
import { entryKey, ownName } from './names.js'
import type { RedisConnection } from './redis-connection.js'
import { tombstoneLifetime } from './retirement.js'
import type { SharedParts } from './shared-parts.js'

/** Number of keys per reply; number of keys of a page read concurrently; pause between pages in ms. */
const PAGE_SIZE = 200
const AT_ONCE = 25
const PAUSE = 10

/**
 * Lease of a sweeping process, in ms: a process that died blocks others for this long. It is renewed three times as
 * often.
 */
const LEASE_TIME = 10_000

/**
 * Time until a sweep starts, and until it is repeated if another process sweeps or Redis fails, in ms; doubled up to
 * the longest.
 */
const FIRST_WAIT = 1000
const LONGEST_WAIT = 5000
/** The same if Redis refuses a command, which it would refuse again. */
const REFUSED_WAIT = 60_000

/** Number of bytes read of an entry: they contain its first line and, unless there are many, its tags. */
const HEAD_BYTES = 1024

/**
 * Removes an entry. A request's tombstone remains, because it has the position of the entry it replaced; an entry
 * stored after such a tombstone is replaced by it. These tombstones reject results that no log record covers. ARGV:
 * incarnation and position of the entry, TTL of a tombstone in ms.
 */
const unlinkScript = new Script(`
local head = redis.pcall('GETRANGE', KEYS[1], 0, 255)
if type(head) ~= 'string' then return 0 end
if string.match(head, '^fallback%-cache/1 %S+ %d+ 0 0 0 0 0 0 %w+\\n') then return 0 end
local incarnation, position = string.match(head, '^fallback%-cache/1 (%S+) (%d+) ')
if incarnation ~= ARGV[1] or position ~= ARGV[2] then return 0 end
local id = string.match(head, '^fallback%-cache/1 [^\\n]* %+(%w+)[ \\n]')
if id then
  local frame = 'fallback-cache/1 ' .. incarnation .. ' ' .. position .. ' 0 0 0 0 0 0 ' .. id .. '\\n'
  local done = redis.pcall('SET', KEYS[1], frame, 'PX', ARGV[3])
  if type(done) ~= 'table' or not done.err then return 1 end
end
return redis.call('UNLINK', KEYS[1])
`)

/**
 * Takes or renews the lease; returns 0 if another process has it. A process that could not release its lease continues
 * with it.
 */
const takeScript = new Script(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

const releaseScript = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)

/**
 * Removes entries from Redis that were invalidated by prefix, tag or clear.
 *
 * Nothing waits for it or depends on it: remaining entries are rejected by every process that reads them, and expire.
 * It runs in one process at a time, slowly, some time after an invalidation, and only touches entries written under the
 * current log.
 */
export class Sweep {
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #coherence: Coherence
  readonly #connection: RedisConnection
  readonly #mirror: Mirror
  readonly #keyPrefix: string
  readonly #counters: Counters
  readonly #lease: string
  readonly #tombstoneTtl: string
  readonly #holder = randomBytes(9).toString('base64url')
  #isPlanned = false
  /** Settles when the running sweep has ended; never rejects. */
  #running: Promise<void> | undefined
  #stopped = false
  #wake = (): void => {}

  constructor({ port, coherence, mirror, settings, counters }: SharedParts) {
    const { clock, keyPrefix } = settings
    this.#port = port
    this.#clock = clock
    this.#coherence = coherence
    this.#connection = coherence.connection
    this.#mirror = mirror
    this.#keyPrefix = keyPrefix
    this.#lease = ownName(keyPrefix, 'sweep')
    this.#counters = counters
    this.#tombstoneTtl = String(Math.ceil(tombstoneLifetime(settings)))
  }

  /** Schedules a sweep; several invalidations share one. */
  soon(): void {
    this.#plan(FIRST_WAIT)
  }

  /** Ends the running sweep so that another process can continue, waiting at most one second. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake()
    if (this.#running !== undefined) await settledWithin(this.#clock, this.#running, 1000)
  }

  #plan(wait: number): void {
    if (this.#isPlanned || this.#stopped) return
    this.#isPlanned = true
    this.#coherence.later(() => {
      this.#isPlanned = false
      if (this.#running !== undefined) return this.#plan(wait)
      this.#running = this.#try(wait).finally(() => {
        this.#running = undefined
      })
    }, wait)
  }

  async #try(wait: number): Promise<void> {
    let next = Math.min(2 * wait, LONGEST_WAIT)
    try {
      if (await this.#sweep()) return
    } catch (thrown) {
      // Tried again in any case: until a sweep has worked, the refusal is told as going on.
      if (thrown instanceof CacheError && thrown.code === 'redis-reply') next = REFUSED_WAIT
    }
    this.#plan(next)
  }

  /** @returns false if there is more to do, or another process is sweeping */
  async #sweep(): Promise<boolean> {
    if (!this.#connection.isConnected || !(await this.#take())) return false
    try {
      return await this.#sweepAll()
    } finally {
      await this.#run(releaseScript).catch(() => {})
    }
  }

  async #sweepAll(): Promise<boolean> {
    let renewedAt = this.#clock.monotonic()
    for (let cursor: string | undefined; ; ) {
      const from = cursor
      const page = await this.#connection.tier.run(() => this.#port.scan(this.#keyPrefix, PAGE_SIZE, from), 'sweep')
      const { keys } = page
      cursor = page.cursor
      for (let at = 0; at < keys.length; at += AT_ONCE) {
        if (this.#stopped || !this.#connection.isConnected) return false
        await Promise.all(keys.slice(at, at + AT_ONCE).map((key) => this.#look(key)))
      }
      const now = this.#clock.monotonic()
      if (now - renewedAt > LEASE_TIME / 3) {
        if (!(await this.#take())) return false
        renewedAt = now
      }
      if (cursor === undefined) return true
      await this.#pause()
    }
  }

  /** Pauses to let other requests through; ends early when the sweep is stopped. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#coherence.later(resolve, PAUSE)
    })
  }

  /** Takes or renews the lease; false if another process has it. */
  async #take(): Promise<boolean> {
    return Number(await this.#run(takeScript, String(LEASE_TIME))) === 1
  }

  /** Runs a script on the lease of this process. */
  #run(script: Script, ...args: string[]): Promise<unknown> {
    return this.#connection.tier.run(() => script.run(this.#port, [this.#lease], [this.#holder, ...args]), 'sweep')
  }

  async #look(name: string): Promise<void> {
    const { incarnation } = this.#coherence.stamp
    const bytes = await this.#read(name)
    const head = bytes === undefined ? undefined : decodeHead(bytes)
    if (head === undefined || head.stamp.incarnation !== incarnation || head.tags === undefined) return
    const key = entryKey(this.#keyPrefix, name)
    if (!this.#mirror.coversAfter(key, head.tags, head.stamp.position)) return
    const args = [incarnation, String(head.stamp.position), this.#tombstoneTtl]
    const removed = await this.#connection.tier.run(() => unlinkScript.run(this.#port, [name], args), 'sweep')
    if (Number(removed) === 1) this.#counters.swept++
  }

  async #read(name: string): Promise<Buffer | undefined> {
    try {
      const reply = await this.#connection.tier.run(() => this.#begin(name), 'sweep')
      return Buffer.isBuffer(reply) ? reply : undefined
    } catch {
      // If Redis fails, the sweep ends at the next page.
      return undefined
    }
  }

  /** The first bytes of a key; `undefined` if it has another type, and so does not belong to the cache. */
  async #begin(name: string): Promise<unknown> {
    try {
      return await this.#port.send(name, ['GETRANGE', name, '0', String(HEAD_BYTES - 1)])
    } catch (thrown) {
      if (thrown instanceof Error && thrown.message.startsWith('WRONGTYPE')) return undefined
      throw thrown
    }
  }
}
