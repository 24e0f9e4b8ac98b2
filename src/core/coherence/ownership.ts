import type { Clock } from '../clock.js'
import { type Logger, notify } from '../logger.js'
import { shown } from '../option-checks.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { Script } from '../tiers/script.js'
import { applicationName, applicationTag } from './application.js'
import { entryLabel } from './entry-label.js'
import { ownName } from './names.js'

/** For how long an application that stores nothing more counts as the owner of its database; ms. */
const ownedFor = 3_600_000
/** Between two claims of one process, and after one that failed; ms. */
const claimPeriod = 600_000
const retryPause = 10_000

/** Names this application as the owner, unless another one is: gives that one then. ARGV: tag and name, ms. */
const claimScript = new Script(`
local owner = redis.pcall('GET', KEYS[1])
if type(owner) == 'string' and owner ~= ARGV[1] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
`)

/**
 * Keeps two applications that share a Redis without a `keyPrefix` from serving each other's entries.
 *
 * Without a prefix each entry carries a tag of the application that made it, and one with another tag is a miss. The log is
 * shared all the same, so that a script of another package can invalidate. With a prefix, that says whose an entry is.
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

  constructor(port: RedisPort, tier: RedisTier, clock: Clock, keyPrefix: string, logger: Logger | undefined) {
    this.#port = port
    this.#tier = tier
    this.#clock = clock
    this.#logger = logger
    this.#key = ownName(keyPrefix, 'owner')
    this.#name = port.keyPrefix + keyPrefix === '' ? applicationName() : undefined
    this.#suffix = this.#name === undefined ? '' : `~${applicationTag(this.#name)}`
  }

  /** What an entry of this application says of its key and its owner. */
  label(key: string): string {
    return entryLabel(key) + this.#suffix
  }

  /**
   * Whose an entry is that was found under a key: of this application, of another one, or of another key. Warns of another
   * application, once.
   */
  judge(key: string, label: string | undefined): 'own' | 'foreign' | 'stray' {
    const own = entryLabel(key)
    if (label === own + this.#suffix) return 'own'
    if (label !== own && label?.startsWith(`${own}~`) !== true) return 'stray'
    this.#meet(undefined)
    return 'foreign'
  }

  /** An entry was stored: claims the database for this application, and looks whether another one has. */
  stored(): void {
    if (this.#name === undefined || this.#clock.monotonic() < this.#claimAt) return
    this.#claimAt = this.#clock.monotonic() + claimPeriod
    const owner = `${applicationTag(this.#name)} ${this.#name}`
    this.#tier
      .run(() => claimScript.run(this.#port, [this.#key], [owner, String(ownedFor)]), 'store')
      .then(
        (other) => {
          const [, tag = '', name = ''] = /^([0-9a-f]{12}) (.+)$/s.exec(String(other)) ?? []
          if (tag !== '') this.#meet(name)
        },
        () => {
          this.#claimAt = this.#clock.monotonic() + retryPause
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
