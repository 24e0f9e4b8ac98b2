import type { Clock } from '../clock.js'
import { type Logger, notify } from '../logger.js'
import { shown } from '../option-checks.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { READ_FUNCTION, Script } from '../tiers/script.js'
import { applicationName, applicationTag } from './application.js'
import type { CoherenceParts } from './coherence-parts.js'
import { entryLabel } from './entry-label.js'
import { ownName } from './names.js'

/** How long an application that stores nothing counts as the owner of its database, in ms. */
const OWNED_FOR = 3_600_000
/** Time between two claims of one process, and after a claim that failed, in ms. */
const CLAIM_PERIOD = 600_000
const RETRY_PAUSE = 10_000

/** Claims the database for this application. Returns the owner if it is another application. ARGV: tag and name, ms. */
const claimScript = new Script(`${READ_FUNCTION}
local owner = read(redis.pcall('GET', KEYS[1]))
if type(owner) == 'string' and owner ~= ARGV[1] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
`)

/**
 * Prevents two applications that share a Redis without a `keyPrefix` from serving each other's entries.
 *
 * Without a prefix, each entry contains a tag of its application, and an entry with another tag is a miss. The log is
 * shared nevertheless, so that a script of another package can invalidate. With a prefix, the prefix identifies the
 * owner.
 */
export class Ownership {
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #clock: Clock
  readonly #logger: Logger | undefined
  readonly #key: string
  readonly #name: string | undefined
  readonly #suffix: string
  #claimAt = Number.NEGATIVE_INFINITY
  #isSaid = false

  constructor({ port, settings }: Pick<CoherenceParts, 'port' | 'settings'>, tier: RedisTier) {
    const { clock, keyPrefix, logger } = settings
    this.#port = port
    this.#tier = tier
    this.#clock = clock
    this.#logger = logger
    this.#key = ownName(keyPrefix, 'owner')
    this.#name = port.keyPrefix + keyPrefix === '' ? applicationName() : undefined
    this.#suffix = this.#name === undefined ? '' : `~${applicationTag(this.#name)}`
  }

  /** The label stored in an entry, which identifies its key and its application. */
  label(key: string): string {
    return entryLabel(key) + this.#suffix
  }

  /**
   * Determines the owner of an entry found under a key: this application, another application, or another key
   * (`stray`). Warns once about another application.
   */
  judge(key: string, label: string | undefined): 'own' | 'foreign' | 'stray' {
    const own = entryLabel(key)
    if (label === own + this.#suffix) return 'own'
    if (label !== own && label?.startsWith(`${own}~`) !== true) return 'stray'
    this.#meet(undefined)
    return 'foreign'
  }

  /**
   * Called after storing an entry: claims the database for this application, and checks whether another one has claimed
   * it.
   */
  stored(): void {
    if (this.#name === undefined || this.#clock.monotonic() < this.#claimAt) return
    this.#claimAt = this.#clock.monotonic() + CLAIM_PERIOD
    const owner = `${applicationTag(this.#name)} ${this.#name}`
    this.#tier
      .run(() => claimScript.run(this.#port, [this.#key], [owner, String(OWNED_FOR)]), 'store')
      .then(
        (other) => {
          const [, tag = '', name = ''] = /^([0-9a-f]{12}) (.+)$/s.exec(String(other)) ?? []
          if (tag !== '') this.#meet(name)
        },
        () => {
          this.#claimAt = this.#clock.monotonic() + RETRY_PAUSE
        },
      )
  }

  #meet(other: string | undefined): void {
    if (this.#isSaid) return
    this.#isSaid = true
    const who = other === undefined ? 'another application' : `the application ${shown(other)}`
    const self = this.#name === undefined ? 'this one' : `this one (${shown(this.#name)})`
    notify(
      this.#logger,
      `${who} keeps entries in this Redis database, and neither has a keyPrefix: ${self} does not use them, each replaces the ` +
        'entries of the other, and invalidations reach both. Give each application a keyPrefix of its own, or the same one ' +
        'to both if they are meant to share',
      { code: 'other-application', application: this.#name, other },
    )
  }
}
