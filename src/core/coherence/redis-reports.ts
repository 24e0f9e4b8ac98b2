import { CacheError } from '../errors.js'
import type { GuardedEmitter } from '../events.js'
import { type Logger, notify } from '../logger.js'
import type { Purpose, RedisRefusal } from '../tiers/refusals.js'
import { replyCode } from '../tiers/reply-code.js'
import type { CoherenceParts } from './coherence-parts.js'

/** The outcome of a recovery. */
interface Recovered {
  /** How long Redis could not be used. */
  readonly seconds: number
  /** Number of invalidations that were appended to the log. */
  readonly replayed: number
  /** Number of entries that are written to Redis now. */
  readonly writeBack: number
}

/** Tells the operator about Redis: outages and their reasons, commands that it refuses, settings that lose entries. */
export class RedisReports {
  readonly #logger: Logger | undefined
  readonly #events: GuardedEmitter
  /** Redis error codes already logged during this outage. */
  readonly #said = new Set<string>()
  #isLossSaid = false
  #saidPolicy = false

  constructor({ settings, events }: Pick<CoherenceParts, 'settings' | 'events'>) {
    this.#logger = settings.logger
    this.#events = events
  }

  /** @param isFirst - true if Redis has never been usable: a wrong address or password must be visible without a logger */
  lost(cause: Error | undefined, isFirst: boolean): void {
    const kind = cause && redisCodeOf(cause)
    this.#isLossSaid = true
    if (kind !== undefined) this.#said.add(kind)
    const details = { code: cause instanceof CacheError ? cause.code : undefined, kind, cause: cause?.message }
    this.#logger?.warn(details, 'fallback-cache: Redis is not usable, memory answers alone')
    if (isFirst && this.#logger === undefined) {
      process.emitWarning(`memory answers alone: ${cause?.message ?? 'there is no Redis'}`, 'FallbackCacheWarning')
    }
  }

  /** Reports an outage whose reason has changed, such as a restarted server that requires a password. */
  stillLost(cause: Error): void {
    const kind = redisCodeOf(cause)
    if (kind === undefined || !this.#isLossSaid || this.#said.has(kind)) return
    this.#said.add(kind)
    const details = { code: cause instanceof CacheError ? cause.code : undefined, kind, cause: cause.message }
    this.#logger?.warn(details, 'fallback-cache: Redis is still not usable, for another reason')
  }

  recovered(details: Recovered): void {
    this.#said.clear()
    this.#isLossSaid = false
    this.#logger?.info(details, 'fallback-cache: Redis is trusted')
    this.#events.tell('recovery', details)
  }

  refused({ code, message, purpose }: RedisRefusal): void {
    // A refused invalidation is an outage, and reported as one.
    if (purpose === 'invalidate') return
    const remedy = REMEDIES[code] ?? 'See docs/redis.md'
    const said = `Redis answers ${code} to ${DEEDS[purpose]}, memory does without: ${message.replace(/\.$/, '')}. ${remedy}`
    notify(this.#logger, said, { code: 'redis-reply', kind: code, purpose, cause: message })
    this.#events.tell('fault', { error: new CacheError('redis-reply', `Redis answered: ${message}`) })
  }

  refusalEnded({ code, purpose }: RedisRefusal): void {
    this.#logger?.info({ code, purpose }, `fallback-cache: Redis no longer answers ${code} to ${DEEDS[purpose]}`)
  }

  sharedJournal(path: string): void {
    const said = `another process has changed journalFile ${path}, which is never made smaller then: give each process a file of its own`
    notify(this.#logger, said, { code: 'shared-journal' })
  }

  /** Warns of invalidations that have not reached the log when the cache is closed. @param areKept - in the journal file */
  untold(count: number, areKept: boolean): void {
    const what = count === 1 ? 'an invalidation has' : `${count} invalidations have`
    const rest = areKept ? 'kept in the journalFile' : 'lost: set journalFile, or repeat what is not durable'
    const said = `closed while Redis could not be used: ${what} not reached the other processes, and ${count === 1 ? 'is' : 'are'} ${rest}`
    notify(this.#logger, said, { code: 'untold', pending: count })
  }

  /** Warns once about an eviction policy with which entries or invalidations are lost. */
  evictionPolicy(policy: string): void {
    const advice = policyAdvice(policy)
    if (advice === undefined || this.#saidPolicy) return
    this.#saidPolicy = true
    // A misconfiguration must not go unnoticed, so it is printed if there is no logger.
    if (this.#logger === undefined) process.emitWarning(advice, 'FallbackCacheWarning')
    else this.#logger.warn({ policy }, `fallback-cache: ${advice}`)
  }
}

/** The Redis error code of a failure, if Redis answered. */
export function redisCodeOf(failure: Error): string | undefined {
  return replyCode(failure.cause instanceof Error ? failure.cause : failure)
}

/** The problem with a server's eviction policy, and its remedy; `undefined` if there is none. */
function policyAdvice(policy: string): string | undefined {
  if (policy.startsWith('allkeys-')) {
    return (
      `Redis evicts by maxmemory-policy ${policy}, which may take the invalidation log. Nothing false is served then, but ` +
      'all entries in Redis are lost with it: set maxmemory-policy to volatile-lru or volatile-lfu'
    )
  }
  if (policy !== 'noeviction') return undefined
  return (
    'Redis has a maxmemory and maxmemory-policy noeviction: once it is full, it refuses entries and invalidations, and ' +
    'memory answers alone: set maxmemory-policy to volatile-lru or volatile-lfu'
  )
}

/** The description of each command purpose for log messages. */
const DEEDS: Readonly<Record<Purpose, string>> = {
  read: 'reads',
  store: 'the storing of entries',
  invalidate: 'invalidations',
  'single flight': 'the single flight between processes',
  sweep: 'the removal of invalidated entries',
  'invalidate once': 'the ids of webhooks',
  dashboard: 'the figures of processes for the dashboard',
}

const REMEDIES: Readonly<Record<string, string | undefined>> = {
  OOM: 'Give Redis more memory, or an eviction policy (docs/redis.md)',
  NOPERM: 'Give its user the permissions in docs/redis.md',
  MISCONF: 'Redis cannot save to its disk, and takes no writes until it can',
  NOREPLICAS: 'Redis takes no writes while too few replicas are connected (min-replicas-to-write)',
}
