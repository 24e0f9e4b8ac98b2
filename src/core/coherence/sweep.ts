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

/** Keys looked at in one reply; keys of one page looked into at one time; ms between pages. */
const pageSize = 200
const atOnce = 25
const pause = 10

/** How long a process that died keeps the others from sweeping; one that sweeps says so three times as often, ms. */
const leaseTime = 10_000

/** When to begin, and when to begin again if another process sweeps or Redis is in trouble: doubled up to the longest, ms. */
const firstWait = 1000
const longestWait = 5000

/** Bytes of an entry that hold its first line and, unless they are many, its tags. */
const headBytes = 1024

/**
 * Leaves the tombstone of a request, which has the position of what it replaced, and one in the place of an entry that came after
 * it: they keep results out that no record covers. ARGV: incarnation and position of the entry, ms for which a tombstone lives.
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

/** Gives 0 when another process sweeps. One that could not tell Redis that it has stopped goes on with the lease it has. */
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
 * Removes from Redis what invalidations by prefix, tag or clear have taken out of use.
 *
 * Nothing waits for it and nothing depends on it: what is left is refused by whoever reads it, and expires. Runs in
 * one process at a time, slowly, some time after an invalidation. Touches only entries written under this very log.
 */
export class Sweep {
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #coherence: Coherence
  readonly #mirror: Mirror
  readonly #keyPrefix: string
  readonly #counters: Counters
  readonly #lease: string
  readonly #tombstoneTtl: string
  readonly #holder = randomBytes(9).toString('base64url')
  #isPlanned = false
  /** Settles when the sweep that runs is over; never rejects. */
  #running: Promise<void> | undefined
  #stopped = false
  #wake = (): void => {}

  /** @param tombstoneTtl - ms for which a tombstone of a request keeps late results out */
  constructor(
    port: RedisPort,
    clock: Clock,
    coherence: Coherence,
    mirror: Mirror,
    keyPrefix: string,
    counters: Counters,
    tombstoneTtl: number,
  ) {
    this.#port = port
    this.#clock = clock
    this.#coherence = coherence
    this.#mirror = mirror
    this.#keyPrefix = keyPrefix
    this.#lease = ownName(keyPrefix, 'sweep')
    this.#counters = counters
    this.#tombstoneTtl = String(Math.ceil(tombstoneTtl))
  }

  /** Sweeps in a while; several invalidations share a sweep. */
  soon(): void {
    this.#plan(firstWait)
  }

  /** Ends the sweep that runs, so that another process may go on, if that takes no longer than a second. Never rejects. */
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
    try {
      if (await this.#sweep()) return
    } catch (thrown) {
      // What Redis refuses, it will refuse again.
      if (thrown instanceof CacheError && thrown.code === 'redis-reply') return
    }
    this.#plan(Math.min(2 * wait, longestWait))
  }

  /** @returns false when there is more to do, or somebody else does it */
  async #sweep(): Promise<boolean> {
    if (!this.#coherence.isConnected || !(await this.#take())) return false
    try {
      return await this.#sweepAll()
    } finally {
      await this.#run(releaseScript).catch(() => {})
    }
  }

  async #sweepAll(): Promise<boolean> {
    let renewedAt = this.#clock.monotonic()
    const pages = this.#port.scan(this.#keyPrefix, pageSize)
    for (;;) {
      const page = await this.#coherence.tier.run(() => pages.next(), 'sweep')
      if (page.done === true) return true
      const keys = page.value
      for (let at = 0; at < keys.length; at += atOnce) {
        if (this.#stopped || !this.#coherence.isConnected) return false
        await Promise.all(keys.slice(at, at + atOnce).map((key) => this.#look(key)))
      }
      const now = this.#clock.monotonic()
      if (now - renewedAt > leaseTime / 3) {
        if (!(await this.#take())) return false
        renewedAt = now
      }
      await this.#pause()
    }
  }

  /** Lets the requests of others through; not when it is to stop. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#coherence.later(resolve, pause)
    })
  }

  /** Takes the lease, or renews it; false when another process has it. */
  async #take(): Promise<boolean> {
    return Number(await this.#run(takeScript, String(leaseTime))) === 1
  }

  /** Runs a script about the lease of this process. */
  #run(script: Script, ...args: string[]): Promise<unknown> {
    return this.#coherence.tier.run(() => script.run(this.#port, [this.#lease], [this.#holder, ...args]), 'sweep')
  }

  async #look(name: string): Promise<void> {
    const { incarnation } = this.#coherence.stamp
    const bytes = await this.#read(name)
    const head = bytes === undefined ? undefined : decodeHead(bytes)
    if (head === undefined || head.stamp.incarnation !== incarnation || head.tags === undefined) return
    const key = entryKey(this.#keyPrefix, name)
    if (!this.#mirror.coversAfter(key, head.tags, head.stamp.position)) return
    const args = [incarnation, String(head.stamp.position), this.#tombstoneTtl]
    const removed = await this.#coherence.tier.run(() => unlinkScript.run(this.#port, [name], args), 'sweep')
    if (Number(removed) === 1) this.#counters.swept++
  }

  async #read(name: string): Promise<Buffer | undefined> {
    try {
      const reply = await this.#coherence.tier.run(() => this.#begin(name), 'sweep')
      return Buffer.isBuffer(reply) ? reply : undefined
    } catch {
      // A Redis in trouble ends the sweep at the next page.
      return undefined
    }
  }

  /** The first bytes of a key; nothing where it is of another type, and so not ours. */
  async #begin(name: string): Promise<unknown> {
    try {
      return await this.#port.send(name, ['GETRANGE', name, '0', String(headBytes - 1)])
    } catch (thrown) {
      if (thrown instanceof Error && thrown.message.startsWith('WRONGTYPE')) return undefined
      throw thrown
    }
  }
}
