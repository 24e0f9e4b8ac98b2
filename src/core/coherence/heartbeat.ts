import type { Clock, Timer } from '../clock.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import type { CoherenceParts } from './coherence-parts.js'
import type { LogPosition } from './log-position.js'
import type { SharedLog } from './shared-log.js'

/** How often each process checks whether the log is complete, in ms. */
const VOUCH_PERIOD = 5000

/** Callbacks of a {@link Heartbeat}. */
interface HeartbeatDuties {
  readonly isConnected: () => boolean
  /** Follows the log up to a head; see `Coherence.follow`. */
  readonly follow: (text: string | undefined, askedAt: number) => undefined | Promise<void>
  /** Called if the log can no longer be followed; see `FollowerDuties.onLostTrack`. */
  readonly onLostTrack: (message: string) => Promise<never>
}

/** The log, and how far this process has read it. */
interface LogAccess {
  readonly tier: RedisTier
  readonly log: SharedLog
  readonly position: LogPosition
}

/** Reads the log when no request does, so that the mirror is never far behind, and checks that the log is complete. */
export class Heartbeat {
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #period: number
  readonly #tier: RedisTier
  readonly #log: SharedLog
  readonly #position: LogPosition
  readonly #duties: HeartbeatDuties
  #timer: Timer | undefined
  #vouchedAt = 0
  #isStopped = false

  constructor(
    { port, settings }: Pick<CoherenceParts, 'port' | 'settings'>,
    { tier, log, position }: LogAccess,
    duties: HeartbeatDuties,
  ) {
    const { clock, lease, read } = settings
    this.#port = port
    this.#clock = clock
    this.#period = read === 'memory-first' ? Math.max(lease / 4, 10) : 1000
    this.#tier = tier
    this.#log = log
    this.#position = position
    this.#duties = duties
  }

  start(): void {
    this.#timer = this.#clock.setTimer(() => {
      if (this.#isStopped) return
      this.start()
      const now = this.#clock.monotonic()
      if (!this.#duties.isConnected()) return
      if (now - this.#vouchedAt >= VOUCH_PERIOD) void this.#vouch(now)
      if (now - this.#position.confirmedAt >= this.#period / 2) void this.look(now)
    }, this.#period)
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
  }

  /** Notes that the log was complete just now. */
  vouched(): void {
    this.#vouchedAt = this.#clock.monotonic()
  }

  /** Reads the head, and follows it. Never rejects. */
  look(askedAt: number): Promise<void> {
    const { headKey } = this.#log
    return this.#tier
      .run(async () => {
        // The command of lookups, so that what is refused to them is refused here too.
        const replies = await this.#port.send(headKey, [this.#port.isCluster ? 'GET' : 'MGET', headKey])
        const reply = Array.isArray(replies) ? replies[0] : replies
        await this.#duties.follow(reply === null || reply === undefined ? undefined : String(reply), askedAt)
      }, 'read')
      .catch(() => {})
  }

  /** Checks whether the log is complete; the check also prevents its eviction as unused. Never rejects. */
  #vouch(now: number): Promise<void> {
    this.#vouchedAt = now
    return this.#tier
      .run(async () => {
        const { incarnation } = this.#position.stamp
        const isWhole = await this.#log.isWhole(incarnation)
        if (!isWhole && incarnation === this.#position.stamp.incarnation && this.#duties.isConnected()) {
          await this.#duties.onLostTrack('a key of the invalidation log is gone, or the server is another one')
        }
      })
      .catch(() => {})
  }
}
