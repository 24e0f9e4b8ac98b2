import { randomBytes } from 'node:crypto'
import { type Clock, pause, type Timer } from '../clock.js'
import type { Stamp } from '../stamp.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { Script } from '../tiers/script.js'
import type { SharedParts } from './shared-parts.js'

/** The result of taking a turn: either another process has stored the value, or this process may compute it. */
export type Turn<Found> = { readonly found: Found } | { readonly end: (stored: boolean) => void }

/** How to wait for the value that another process computes. */
export interface Waiting<Found> {
  /** Looks up the value; called after each wait. */
  readonly look: () => Found | undefined | Promise<Found | undefined>
  /** Whether a result started at a position in the log will be discarded, so that waiting for it is useless. */
  readonly isOvertaken: (startedAt: Stamp) => boolean
  /** Maximum waiting time, in ms; unlimited by default. */
  readonly patience?: number | undefined
}

/** Time between checks while waiting, in ms; doubled up to the longest. */
const FIRST_PAUSE = 5
const LONGEST_PAUSE = 100

/**
 * Maximum duration of a turn in leases: how long its holder renews it, and others wait for it. It is shorter if
 * `maxHandlerTime` is, because a later result is not stored.
 */
const BELIEVED = 10

/** After a result that was not stored, requests for its key do not wait for each other for this long, in ms. */
const OPEN_FOR = 1000

/**
 * Returns 1 if the turn is taken, 2 if no turn is needed, or the current holder. ARGV[3]: a holder whose turn is void.
 * The key may also be the name of an entry.
 */
const takeScript = new Script(`
local holder = redis.call('GET', KEYS[1])
if holder == 'open' or holder and string.sub(holder, 1, 5) ~= 'turn ' then return 2 end
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

const renewScript = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

const endScript = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '1' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], 'open', 'PX', ARGV[3]) end
return 1
`)

/**
 * Lets one process at a time compute a missing value, while the others wait for the value that it stores.
 *
 * A turn is a short lease in Redis that its holder renews while it works. If the holder dies, the others wait for the
 * rest of the lease, once. If Redis fails, no process waits.
 */
export class SharedTurns {
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #clock: Clock
  readonly #keyPrefix: string
  readonly #lease: number
  /** Maximum duration of a turn, in ms. */
  readonly #longest: number

  constructor({ port, coherence, settings }: SharedParts) {
    const { clock, keyPrefix, singleFlightLease, maxHandlerTime } = settings
    this.#port = port
    this.#tier = coherence.connection.tier
    this.#clock = clock
    this.#keyPrefix = keyPrefix
    this.#lease = singleFlightLease
    this.#longest = Math.min(BELIEVED * singleFlightLease, maxHandlerTime)
  }

  /**
   * Waits for the turn, or for the value that the holder of the turn stores.
   *
   * @param at - the position of this process in the log
   */
  async take<Found>(key: string, at: Stamp, waiting: Waiting<Found>): Promise<Turn<Found>> {
    const { look, isOvertaken, patience = Number.POSITIVE_INFINITY } = waiting
    const name = `${this.#keyPrefix}${key}#turn`
    const holder = `turn ${randomBytes(9).toString('base64url')} ${at.incarnation} ${at.position}`
    let voided = ''
    // A holder renews its lease while it works, but others wait for it only for a limited time.
    const until = this.#clock.monotonic() + Math.min(patience, this.#longest)
    for (let wait = FIRST_PAUSE; this.#clock.monotonic() < until; wait = Math.min(2 * wait, LONGEST_PAUSE)) {
      const taken = await this.#ask(name, holder, voided)
      if (Number(taken) === 1) {
        const end = this.#hold(name, holder)
        // The value may have been stored between the last lookup and the end of the other process's turn.
        const found = wait > FIRST_PAUSE ? await look() : undefined
        if (found === undefined) return { end }
        end(true)
        return { found }
      }
      if (Number(taken) === 2) break
      const other = String(taken)
      if (other !== voided && isOvertaken(startOf(other))) {
        voided = other
        continue
      }
      await pause(this.#clock, wait)
      const found = await look()
      if (found !== undefined) return { found }
    }
    return { end: () => {} }
  }

  /** Renews the lease until the work is finished, or has taken too long. */
  #hold(name: string, holder: string): (stored: boolean) => void {
    const until = this.#clock.monotonic() + this.#longest
    const end = (stored: boolean): void => {
      this.#clock.clearTimer(timer)
      const args = [holder, stored ? '1' : '0', String(OPEN_FOR)]
      this.#tier.run(() => endScript.run(this.#port, [name], args), 'single flight').catch(() => {})
    }
    const renew = (): void => {
      // The next one that needs the value computes it.
      if (this.#clock.monotonic() >= until) {
        end(true)
        return
      }
      const args = [holder, String(Math.ceil(this.#lease))]
      this.#tier.run(() => renewScript.run(this.#port, [name], args), 'single flight').catch(() => {})
      timer = wait()
    }
    const wait = (): Timer => {
      const left = until - this.#clock.monotonic()
      return this.#clock.setTimer(renew, Math.max(0, Math.min(this.#lease / 3, left)))
    }
    let timer = wait()
    return end
  }

  async #ask(name: string, holder: string, voided: string): Promise<unknown> {
    const args = [holder, String(Math.ceil(this.#lease)), voided]
    try {
      return await this.#tier.run(() => takeScript.run(this.#port, [name], args), 'single flight')
    } catch {
      return 2
    }
  }
}

/** The holder's position in the log when it took its turn. */
function startOf(holder: string): Stamp {
  const [, , incarnation = '', position = '0'] = holder.split(' ')
  return { incarnation, position: Number(position) }
}
