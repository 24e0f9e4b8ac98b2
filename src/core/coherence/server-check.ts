import { asError } from '../errors.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { replyCode, WRITE_REFUSED, WRONG_SERVER } from '../tiers/reply-code.js'
import type { CoherenceParts } from './coherence-parts.js'
import { ownName } from './names.js'
import { redisCodeOf } from './redis-reports.js'
import { StepCheck } from './step-check.js'

/** Checks that the connection leads to the intended server, and that its replies match the commands. */
export class ServerCheck {
  readonly step: StepCheck
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #probeKey: string

  constructor({ port, settings }: Pick<CoherenceParts, 'port' | 'settings'>, tier: RedisTier) {
    this.#port = port
    this.#tier = tier
    this.step = new StepCheck(port, ownName(settings.keyPrefix, 'head'), settings.clock)
    this.#probeKey = ownName(settings.keyPrefix, 'probe')
  }

  /**
   * Checks that Redis answers, that the intended database is selected, and, by a write without effect, that the server
   * is a master. A replica answers reads late, and every write to it would be lost.
   */
  async greet(): Promise<void> {
    const name = this.#probeKey
    await this.orReconnect(async () => {
      // First: if a reply goes missing, the late reply to this command reaches the next check, which recognizes it.
      this.step.dropIfSilent()
      await this.#tier.probe(() => this.step.ask())
      await this.#tier.probe(() => this.#port.selectDatabase())
      await this.#tier.probe(() => this.#port.send(name, ['UNLINK', name]).catch(passRefusedWrite))
    })
  }

  /** Requests another connection if the server turns out to be the wrong one. */
  async orReconnect(look: () => Promise<void>): Promise<void> {
    try {
      await look()
    } catch (thrown) {
      if (WRONG_SERVER.has(redisCodeOf(asError(thrown)) ?? '')) this.#port.reconnect()
      throw thrown
    }
  }
}

/** Ignores a refused write: a master that temporarily accepts no writes is still a master. */
function passRefusedWrite(thrown: unknown): void {
  if (!WRITE_REFUSED.has(replyCode(asError(thrown)) ?? '')) throw thrown
}
