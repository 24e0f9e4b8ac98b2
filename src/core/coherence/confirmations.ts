import { type Clock, pause } from '../clock.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { Script } from '../tiers/script.js'
import type { CoherenceParts } from './coherence-parts.js'
import { ownName, processName } from './names.js'

/** Ends the name of a record whose readers are asked to confirm that they have applied it. */
const ASKS = '-asks'

/** How long confirmations are kept, in ms. */
const KEPT_FOR = 10_000

/** How long an invalidation waits for them, in ms: every process reads the log at least once a second. */
const WAIT_FOR = 1500

/** Pause between two looks, in ms. */
const LOOK_EVERY = 100

/** Maximum number of processes that confirm one invalidation. */
const MOST_PROCESSES = 1000

const confirmScript = new Script(`
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[3]) then redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`)

/**
 * Lets processes confirm single invalidations: the record in the log asks for it, and each process that has applied the
 * record adds its name to a key of a few seconds. Invalidations that do not ask cost nothing.
 */
export class Confirmations {
  /** The name of this process. */
  readonly self: string
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #clock: Clock
  readonly #keyPrefix: string

  constructor({ port, settings }: CoherenceParts, tier: RedisTier, id: string) {
    this.self = processName(id)
    this.#port = port
    this.#tier = tier
    this.#clock = settings.clock
    this.#keyPrefix = settings.keyPrefix
  }

  /** Confirms a record of another process, if it asks. Never rejects. */
  async confirm(nonce: string, position: number): Promise<void> {
    if (!isAsking(nonce)) return
    const args = [this.self, String(position), String(MOST_PROCESSES), String(KEPT_FOR)]
    await this.#tier.run(() => confirmScript.run(this.#port, [this.#keyOf(nonce)], args), 'sweep').catch(() => {})
  }

  /** The processes that have confirmed a record within a second and a half, this one first. Never rejects. */
  async of(nonce: string): Promise<readonly string[]> {
    const key = this.#keyOf(nonce)
    const end = this.#clock.monotonic() + WAIT_FOR
    let names: readonly string[] = []
    while (this.#clock.monotonic() < end) {
      await pause(this.#clock, LOOK_EVERY)
      const look = () => this.#port.send(key, ['ZRANGEBYSCORE', key, '-inf', '+inf'])
      const reply = await this.#tier.run(look, 'sweep').catch(() => undefined)
      if (Array.isArray(reply)) names = reply.map(String)
    }
    return [this.self, ...names.filter((name) => name !== this.self)]
  }

  #keyOf(nonce: string): string {
    return `${ownName(this.#keyPrefix, 'confirm')}:${nonce}`
  }
}

/** The name of a record that asks for confirmation. */
export function asking(nonce: string): string {
  return nonce + ASKS
}

/** Whether a record with this name asks for confirmation. */
export function isAsking(nonce: string): boolean {
  return nonce.endsWith(ASKS)
}
