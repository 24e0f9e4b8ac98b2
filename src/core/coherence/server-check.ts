import { randomBytes } from 'node:crypto'
import { asError, CacheError } from '../errors.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { replyCode, WRITE_REFUSED, WRONG_SERVER } from '../tiers/reply-code.js'
import type { CoherenceParts } from './coherence-parts.js'
import { echoScript } from './log-scripts.js'
import { ownName } from './names.js'
import { redisCodeOf } from './redis-reports.js'

/** Checks that the connection leads to the intended server, and that its replies match the commands. */
export class ServerCheck {
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #headKey: string
  readonly #probeKey: string

  constructor({ port, settings }: Pick<CoherenceParts, 'port' | 'settings'>, tier: RedisTier) {
    this.#port = port
    this.#tier = tier
    this.#headKey = ownName(settings.keyPrefix, 'head')
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
      await this.#tier.probe(() => this.askEcho())
      await this.#tier.probe(() => this.#port.selectDatabase())
      await this.#tier.probe(() => this.#port.send(name, ['UNLINK', name]).catch(passRefusedWrite))
    })
  }

  /** @throws CacheError if the reply does not contain this call's random text; the connection was dropped then */
  async askEcho(): Promise<void> {
    const question = randomBytes(6).toString('hex')
    const reply = await echoScript.run(this.#port, [this.#headKey], [question])
    if (String(reply) === question) return
    this.#port.reset()
    throw new CacheError('redis-out-of-step', 'Redis replied to a different command: the connection is dropped')
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
