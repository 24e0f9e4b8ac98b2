import type { Counters } from '../counters.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { Script } from '../tiers/script.js'
import { decodeHead } from '../wire-frame.js'
import type { Coherence } from './coherence.js'
import type { Mirror } from './mirror.js'
import { entryKey, ownName } from './names.js'

/** Keys looked at in one reply; keys of one page looked into at one time; ms between pages. */
const pageSize = 200
const atOnce = 25
const pause = 10

/** How long one process may keep the others from sweeping, ms. */
const leaseTime = 60_000

/** Bytes of an entry that hold its first line and, unless they are many, its tags. */
const headBytes = 1024

const unlinkScript = new Script(`
local head = redis.pcall('GETRANGE', KEYS[1], 0, 255)
if type(head) ~= 'string' then return 0 end
local incarnation, position = string.match(head, '^fallback%-cache/1 (%S+) (%d+) ')
if incarnation ~= ARGV[1] or position ~= ARGV[2] then return 0 end
return redis.call('UNLINK', KEYS[1])
`)

/**
 * Removes from Redis what invalidations by prefix, tag or clear have taken out of use.
 *
 * Nothing waits for it and nothing depends on it: what is left is refused by whoever reads it, and expires. Runs in
 * one process at a time, slowly, some time after an invalidation. Touches only entries written under this very log.
 */
export class Sweep {
  readonly #port: RedisPort
  readonly #coherence: Coherence
  readonly #mirror: Mirror
  readonly #keyPrefix: string
  readonly #counters: Counters
  #isPlanned = false
  #isRunning = false
  #stopped = false

  constructor(port: RedisPort, coherence: Coherence, mirror: Mirror, keyPrefix: string, counters: Counters) {
    this.#port = port
    this.#coherence = coherence
    this.#mirror = mirror
    this.#keyPrefix = keyPrefix
    this.#counters = counters
  }

  /** Sweeps in a while; several invalidations share a sweep. */
  soon(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    this.#coherence.later(() => {
      this.#isPlanned = false
      if (this.#isRunning) return this.soon()
      this.#isRunning = true
      this.#sweep()
        .catch(() => {})
        .finally(() => {
          this.#isRunning = false
        })
    })
  }

  stop(): void {
    this.#stopped = true
  }

  async #sweep(): Promise<void> {
    const lease = ownName(this.#keyPrefix, 'sweep')
    const taken = await this.#coherence.tier.run(() =>
      this.#port.send(lease, ['SET', lease, '1', 'PX', String(leaseTime), 'NX']),
    )
    if (taken === null) return this.soon()
    try {
      for await (const keys of this.#port.scan(`${literal(this.#keyPrefix)}*`, pageSize)) {
        if (this.#stopped || !this.#coherence.isConnected) return
        for (let at = 0; at < keys.length; at += atOnce) {
          await Promise.all(keys.slice(at, at + atOnce).map((key) => this.#look(key)))
        }
        await this.#coherence.pause(pause)
      }
    } finally {
      await this.#coherence.tier.run(() => this.#port.send(lease, ['DEL', lease]))
    }
  }

  async #look(name: string): Promise<void> {
    const { incarnation } = this.#coherence.stamp
    const bytes = await this.#read(name)
    const head = bytes === undefined ? undefined : decodeHead(bytes)
    if (head === undefined || head.stamp.incarnation !== incarnation || head.tags === undefined) return
    const key = entryKey(this.#keyPrefix, name)
    if (!this.#mirror.coversAfter(key, head.tags, head.stamp.position)) return
    const args = [incarnation, String(head.stamp.position)]
    const removed = await this.#coherence.tier.run(() => unlinkScript.run(this.#port, [name], args))
    if (Number(removed) === 1) this.#counters.swept++
  }

  async #read(name: string): Promise<Buffer | undefined> {
    try {
      const reply = await this.#coherence.tier.run(() =>
        this.#port.send(name, ['GETRANGE', name, '0', String(headBytes - 1)]),
      )
      return Buffer.isBuffer(reply) ? reply : undefined
    } catch {
      // A key of another type is not ours; a Redis in trouble ends the sweep at the next page.
      return undefined
    }
  }
}

/** A text in which SCAN sees no pattern. */
function literal(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&')
}
