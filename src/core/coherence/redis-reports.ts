import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { GuardedEmitter } from '../events.js'
import { type Logger, notify } from '../logger.js'
import type { Purpose, RedisRefusal } from '../tiers/refusals.js'
import { replyCode } from '../tiers/reply-code.js'

/** The outcome of a recovery. */
interface Recovered {
  /** How long Redis could not be used. */
  readonly seconds: number
  /** Number of invalidations that were appended to the log. */
  readonly replayed: number
  /** Number of entries that are written to Redis now. */
  readonly writeBack: number
}

/** For how long Redis must have been usable, in ms, before another loss is logged at once. */
const CALM = 5_000
/** A loss that follows another one sooner is logged if it lasts for so long, in ms; the second value once they were called a series. */
const NOTICEABLE = [1_000, 10_000] as const
/** So many such losses are a series, which is logged once. */
const SERIES = 3

/** Where lines go, and by which clock they come. */
interface ReportSettings {
  readonly logger: Logger | undefined
  readonly clock: Clock
}

/** What reporting asks its owner. */
interface ReportDuties {
  /** Calls a function after some ms, unless the cache is closed by then. */
  readonly later: (run: () => void, ms: number) => void
  /** The reason why Redis cannot be used now. */
  readonly cause: () => Error | undefined
}

/** Tells the operator about Redis: outages and their reasons, commands that it refuses, settings that lose entries. */
export class RedisReports {
  readonly #logger: Logger | undefined
  readonly #events: GuardedEmitter
  readonly #clock: Clock
  readonly #duties: ReportDuties
  /** Redis error codes already logged during this outage. */
  readonly #said = new Set<string>()
  /** Error codes of the file system already logged for the journal file. */
  readonly #saidOfJournal = new Set<string>()
  #isLossSaid = false
  #saidPolicy = false
  /** Number of losses so far. */
  #losses = 0
  /** Number of losses that each followed another one soon. */
  #again = 0
  /** The last loss that has ended. */
  #recovered = 0
  /** When it ended, in monotonic ms. */
  #recoveredAt = Number.NEGATIVE_INFINITY

  constructor({ logger, clock }: ReportSettings, events: GuardedEmitter, duties: ReportDuties) {
    this.#logger = logger
    this.#events = events
    this.#clock = clock
    this.#duties = duties
  }

  /**
   * Reports that Redis cannot be used any more. A connection that comes and goes makes no line each time: a loss soon after
   * another one is logged if it lasts.
   */
  lost(cause: Error | undefined): void {
    const loss = ++this.#losses
    if (this.#clock.monotonic() - this.#recoveredAt >= CALM) {
      this.#sayLoss(cause)
      return
    }
    if (++this.#again === SERIES) {
      const details = { losses: this.#again, ...detailsOf(cause) }
      this.#logger?.warn(details, 'fallback-cache: Redis is lost again and again, memory answers each time')
    }
    const sayIfLost = (): void => {
      if (loss === this.#losses && loss !== this.#recovered) this.#sayLoss(this.#duties.cause() ?? cause)
    }
    this.#duties.later(sayIfLost, NOTICEABLE[this.#again < SERIES ? 0 : 1])
  }

  /** Reports that Redis has not been usable since the start: a wrong address or password must be visible without a logger. */
  neverUsable(cause: Error | undefined): void {
    this.#losses++
    this.#sayLoss(cause)
    if (this.#logger !== undefined) return
    process.emitWarning(`memory answers alone: ${cause?.message ?? 'there is no Redis'}`, 'FallbackCacheWarning')
  }

  #sayLoss(cause: Error | undefined): void {
    const { kind, ...details } = detailsOf(cause)
    this.#isLossSaid = true
    if (kind !== undefined) this.#said.add(kind)
    this.#logger?.warn(
      { ...details, kind },
      `fallback-cache: Redis is not usable, memory answers alone${remedyFor(kind, cause)}`,
    )
  }

  /** Reports an outage whose reason has changed, such as a restarted server that requires a password. */
  stillLost(cause: Error): void {
    const { kind, ...details } = detailsOf(cause)
    if (kind === undefined || !this.#isLossSaid || this.#said.has(kind)) return
    this.#said.add(kind)
    const said = `fallback-cache: Redis is still not usable, for another reason${remedyFor(kind, cause)}`
    this.#logger?.warn({ ...details, kind }, said)
  }

  recovered(details: Recovered): void {
    const isFirst = this.#losses === 0
    this.#said.clear()
    if (this.#isLossSaid || isFirst) this.#logger?.info(details, 'fallback-cache: Redis is trusted')
    this.#isLossSaid = false
    if (!isFirst) this.#recoveredAt = this.#clock.monotonic()
    this.#recovered = this.#losses
    this.#events.tell('recovery', details)
    const last = this.#losses
    if (this.#again > 0) this.#duties.later(() => this.#endSeries(last), CALM)
  }

  /** Reports that no other loss has followed the last one of a series. */
  #endSeries(last: number): void {
    if (last !== this.#losses || this.#again === 0) return
    const losses = this.#again
    this.#again = 0
    if (losses < SERIES) return
    this.#logger?.info({ losses }, 'fallback-cache: Redis is trusted, and has not been lost again')
  }

  refused({ code, message, purpose }: RedisRefusal): void {
    // A refused invalidation is an outage, and reported as one.
    if (purpose === 'invalidate') return
    const remedy = REMEDIES[code] ?? remedyForText(message) ?? 'See docs/redis.md'
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

  /** Reports that the journal file cannot be written, or not be read: once for each kind of error. */
  journalFault(error: Error): void {
    const kind = 'code' in error ? String(error.code) : error.message
    this.#events.tell('fault', { error })
    if (this.#saidOfJournal.has(kind)) return
    this.#saidOfJournal.add(kind)
    const said = `the journalFile has failed, and may lack invalidations that wait for Redis: ${error.message}`
    notify(this.#logger, said, { code: 'journal-fault' })
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

/** What a log line says of the reason of an outage. */
function detailsOf(cause: Error | undefined) {
  return {
    code: cause instanceof CacheError ? cause.code : undefined,
    kind: cause && redisCodeOf(cause),
    cause: cause?.message,
  }
}

function remedyFor(kind: string | undefined, cause: Error | undefined): string {
  const remedy = (kind === undefined ? undefined : REMEDIES[kind]) ?? remedyForText(cause?.message ?? '')
  return remedy === undefined ? '' : `. ${remedy}`
}

/** The remedy for an error that only its text tells from others. */
function remedyForText(message: string): string | undefined {
  return TEXT_REMEDIES.find(([pattern]) => pattern.test(message))?.[1]
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
  NOAUTH: 'Give the URL or the client the password of Redis',
  WRONGPASS: 'Correct the user name or the password in the URL or the client',
  READONLY: 'This server is a replica: set the address of the master',
  MASTERDOWN: 'This server is a replica without a master: set the address of the master, or wait for it',
  CLUSTERDOWN: 'The cluster has slots without a master: see CLUSTER INFO',
  LOADING: 'Redis loads its data: it is asked again every two seconds',
  BUSY: 'A script keeps Redis busy: find it, or end it by SCRIPT KILL',
}

const TEXT_REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/max number of clients/, 'Raise maxclients of Redis, or close other connections'],
  [/DB index/, 'Correct the number of the database'],
  [/unknown (?:Redis )?command/i, 'Keep the commands of the cache under their own names (rename-command)'],
  [/self.signed|unable to (?:verify|get)/i, 'Give the certificate of its authority: tls: { ca }'],
]
