import { randomBytes } from 'node:crypto'
import { type Clock, pause } from '../clock.js'
import type { Stamp } from '../stamp.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { Script } from '../tiers/script.js'

/** What came of asking: another process made it meanwhile, or it is this one's turn. */
export type Turn<Found> = { readonly found: Found } | { readonly end: (stored: boolean) => void }

/** How often those who wait look again; ms, doubled up to the longest. */
const firstPause = 5
const longestPause = 100

/** For how many leases a holder renews its turn, and others wait for it. */
const believed = 10

/** How long a key whose result could not be kept is open to everybody, so that its requests are never put in a row; ms. */
const openFor = 1000

/** Gives 1 for the turn, 2 when nobody need wait, or who has it. ARGV[3]: a holder whose turn is void. An entry can bear the name. */
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
 * One process at a time makes what is missing, the others wait for what it stores.
 *
 * A turn is a short lease in Redis that its holder renews while it works: when the holder dies, the others wait for
 * the rest of the lease, once. Whatever fails here means that nobody waits.
 */
export class SharedTurns {
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #clock: Clock
  readonly #keyPrefix: string
  readonly #lease: number

  /** @param lease - ms */
  constructor(port: RedisPort, tier: RedisTier, clock: Clock, keyPrefix: string, lease: number) {
    this.#port = port
    this.#tier = tier
    this.#clock = clock
    this.#keyPrefix = keyPrefix
    this.#lease = lease
  }

  /**
   * Waits for the turn, or for what the holder of the turn stores.
   *
   * @param at - where this process stands in the log
   * @param look - looks whether it has been stored; called after each wait
   * @param isOvertaken - whether what started at a place in the log will not be kept: nobody waits for that
   * @param patience - the longest to wait, ms
   */
  async take<Found>(
    key: string,
    at: Stamp,
    look: () => Found | undefined | Promise<Found | undefined>,
    isOvertaken: (startedAt: Stamp) => boolean,
    patience: number = Number.POSITIVE_INFINITY,
  ): Promise<Turn<Found>> {
    const name = `${this.#keyPrefix}${key}#turn`
    const holder = `turn ${randomBytes(9).toString('base64url')} ${at.incarnation} ${at.position}`
    let voided = ''
    // A holder renews its lease for as long as it works, but nobody has to believe it for ever.
    const until = this.#clock.monotonic() + Math.min(patience, believed * this.#lease)
    for (let wait = firstPause; this.#clock.monotonic() < until; wait = Math.min(2 * wait, longestPause)) {
      const taken = await this.#ask(name, holder, voided)
      if (Number(taken) === 1) {
        const end = this.#hold(name, holder)
        // It may have been stored between the last look and the end of the other's turn.
        const found = wait > firstPause ? await look() : undefined
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

  /** Keeps the lease alive until the work is over. */
  #hold(name: string, holder: string): (stored: boolean) => void {
    const until = this.#clock.monotonic() + believed * this.#lease
    let timer = this.#clock.setTimer(() => renew(), this.#lease / 3)
    const renew = (): void => {
      if (this.#clock.monotonic() > until) return
      const args = [holder, String(Math.ceil(this.#lease))]
      this.#tier.run(() => renewScript.run(this.#port, [name], args), 'single flight').catch(() => {})
      timer = this.#clock.setTimer(renew, this.#lease / 3)
    }
    return (stored) => {
      this.#clock.clearTimer(timer)
      const args = [holder, stored ? '1' : '0', String(openFor)]
      this.#tier.run(() => endScript.run(this.#port, [name], args), 'single flight').catch(() => {})
    }
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

/** Where in the log a holder stood when it took its turn. */
function startOf(holder: string): Stamp {
  const [, , incarnation = '', position = '0'] = holder.split(' ')
  return { incarnation, position: Number(position) }
}
