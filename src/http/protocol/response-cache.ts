import { brand } from '../../core/brand.js'
import type { CacheEngine } from '../../core/engine.js'
import type { Exchange, Reply, RequestHead } from '../port/exchange.js'
import { ResponseNotes } from '../port/response-notes.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { Reason } from '../rules/reasons.js'
import { isForSeveral, mayReuse, requestControl } from '../rules/reusable.js'
import { Invalidations } from '../store/invalidations.js'
import { findStored, NoVarySearchIndex } from '../store/no-vary-search-index.js'
import { PrimaryKeys } from '../store/primary-key.js'
import { RecentlyRefused } from '../store/recently-refused.js'
import { representationFor } from '../store/representation.js'
import { CACHE_NAME, type StoredResponse } from '../store/stored-response.js'
import { UriKeys } from '../store/uri-keys.js'
import { Variants } from '../store/variants.js'
import { type CacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { pathOf } from '../syntax/target.js'
import { answerFromStore } from './answer.js'
import { optionAnswers, wholeExtra } from './build-lookup.js'
import {
  type DecidedBy,
  type Decision,
  decide,
  type Hit,
  isCached,
  look,
  type Miss,
  type MissReason,
  missed,
  type Pass,
  passFor,
} from './decision.js'
import { explain, type Standpoint } from './explain.js'
import type { Explanation } from './explanation.js'
import type { Flight } from './flight.js'
import { Forwarding, HandlerRuns } from './handler-runs.js'
import type { Lookup } from './lookup.js'
import { settledAnswers } from './option-functions.js'
import { Invalidating, PassThrough, Unrecorded } from './pass-through.js'
import { isLoggedIn } from './personal.js'
import { type Policy, storageScopeOf } from './policy.js'
import { recorderIn } from './post-answer.js'
import { ResponseRecorder } from './response-recorder.js'
import { ResponseWriter } from './response-writer.js'
import type { Retiring } from './retiring.js'
import { type Ahead, openScope, type Scope, scopeOf } from './scope.js'
import { answersOf, isThenable } from './thenable.js'

/** What a request gets: an answer, or the handler. */
type Outcome = Reply | Forwarding | typeof INSIDE

/** The application is to decide: see `Exchange.enter`. */
const INSIDE = Symbol('inside')

/**
 * What a middleware does with a request that another one has looked at: meet what was decided for it before, say nothing, add to
 * the recording of the outer one, look for itself within it, or take its place.
 */
type Role = 'awaited' | 'silent' | 'joining' | 'inner' | 'instead'

/** A request that has waited in vain looks again so many times in all before it runs the handler for itself. */
const MAX_LOOKS = 4

/**
 * The protocol: look up, then reply, forward or refresh, then keep (RFC 9111, sections 3 and 4).
 *
 * @typeParam Context - what the framework hands to its users
 */
export class ResponseCache<Context extends object> {
  readonly cache: CacheEngine
  readonly #policy: Policy<Context>
  readonly #storageScope: readonly unknown[]
  readonly #keys: PrimaryKeys
  readonly #variants: Variants
  readonly #searchIndex: NoVarySearchIndex
  readonly #writer: ResponseWriter
  readonly #runs: HandlerRuns<Context>
  readonly #recentlyRefused: RecentlyRefused
  readonly #by: DecidedBy<Context>
  /** Whether it has taken a request over from a cache further out. */
  #isInner = false
  /** What invalidates the responses of this route. */
  readonly invalidations: Invalidations

  constructor(policy: Policy<Context>) {
    const { engine: cache } = policy
    const recentlyRefused = new RecentlyRefused(cache.clock)
    this.cache = cache
    this.#policy = policy
    this.#storageScope = storageScopeOf(policy)
    this.#keys = new PrimaryKeys(policy)
    this.#variants = new Variants(cache)
    this.#searchIndex = new NoVarySearchIndex(cache, this.#variants)
    const searchIndex = policy.noVarySearch ? this.#searchIndex : undefined
    this.invalidations = new Invalidations(
      policy.cache,
      policy.group,
      new UriKeys(cache, this.#keys, this.#variants, searchIndex),
    )
    this.#writer = new ResponseWriter(cache, this.#variants, this.#searchIndex, recentlyRefused)
    this.#recentlyRefused = recentlyRefused
    this.#runs = new HandlerRuns(policy, this.#writer, recentlyRefused)
    this.#by = {
      policy,
      cache,
      keys: this.#keys,
      runs: this.#runs,
      find: (lookup) => findStored(lookup, this.#variants, this.#searchIndex),
    }
  }

  /** Whether functions of the user's have a say in every request, so that none can be decided upon before the framework has it. */
  get asksAboutRequests(): boolean {
    const { skip, key, user, vary } = this.#policy
    return skip !== undefined || key !== undefined || user !== undefined || vary.some(isFilledInput)
  }

  /** Whether a request can be decided upon before the framework has it: no function of the user's has a say in it. */
  mayDecideAhead(request: RequestHead): boolean {
    if (this.asksAboutRequests) return false
    return this.#policy.allowRefresh === undefined || request.isPlain === true || !requestControl(request.headers)
  }

  /** Answers a request or forwards it. Throws or rejects only with what the application throws. */
  handle(exchange: Exchange<Context>): void | Promise<void> {
    const outcome = this.#decideSafely(exchange)
    if (!(outcome instanceof Promise)) return this.#deliver(exchange, outcome)
    return outcome.then(
      (made) => this.#deliver(exchange, made),
      (thrown: unknown) => this.#deliver(exchange, this.#passFaulty(exchange, thrown)),
    )
  }

  /**
   * What {@link handle} would do with the request of an exchange. Never rejects, not even when there is none.
   *
   * @param cacheStatus - whether Cache-Status is sent: a nested middleware that adds to a recording decides that
   */
  explain(
    exchange: () => Exchange<Context>,
    { cacheStatus }: Pick<Policy<Context>, 'cacheStatus'> = this.#policy,
  ): Promise<Explanation> {
    return explain(exchange, {
      cache: this.cache,
      policy: { ...this.#policy, cacheStatus },
      keys: this.#keys,
      variants: this.#variants,
      searchIndex: this.#searchIndex,
      runs: this.#runs,
      recentlyRefused: this.#recentlyRefused,
      standpointFor: (raw, method) => this.#standpointFor(raw, method),
    })
  }

  #decideSafely(exchange: Exchange<Context>): Outcome | Promise<Outcome> {
    try {
      const scope = scopeOf(exchange.raw)
      if (scope === undefined) return this.#decide(exchange, false)
      const { inputs } = scope.recording
      if (inputs === undefined) return this.#decideNested(exchange, scope)
      return unwatched(inputs, () => this.#decideNested(exchange, scope))
    } catch (thrown) {
      return this.#passFaulty(exchange, thrown)
    }
  }

  #deliver(exchange: Exchange<Context>, outcome: Outcome): void | Promise<void> {
    if (outcome instanceof Forwarding) return exchange.forward(outcome.recording, outcome.changes)
    if (outcome === INSIDE) return exchange.enter?.()
    try {
      exchange.reply(outcome)
    } catch (thrown) {
      return exchange.forward(this.#passFaulty(exchange, thrown).recording)
    }
  }

  #decide(exchange: Exchange<Context>, nested: boolean): Outcome | Promise<Outcome> {
    const decision = decide(exchange, nested, this.#by)
    if (decision instanceof Promise) return decision.then((made) => this.#carryOut(exchange, made))
    return this.#carryOut(exchange, decision)
  }

  #look(lookup: Lookup<Context>): Outcome | Promise<Outcome> {
    const decision = look(lookup, this.#by)
    if (decision instanceof Promise) return decision.then((made) => this.#carryOut(lookup.exchange, made))
    return this.#carryOut(lookup.exchange, decision)
  }

  #carryOut(exchange: Exchange<Context>, decision: Decision<Context>): Outcome | Promise<Outcome> {
    switch (decision.kind) {
      case 'hit':
        return this.#hit(decision)
      case 'enter':
        return INSIDE
      case 'pass':
        if (decision.lookup !== undefined && decision.miss !== undefined)
          this.#countMiss(decision.lookup, decision.miss)
        return this.#pass(exchange, decision)
      default:
        return this.#miss(decision)
    }
  }

  #hit(hit: Hit<Context>): Outcome | Promise<Outcome> {
    const { lookup, found, stored, now, refresh } = hit
    if (refresh !== undefined) {
      const look = () => this.#lookForNewer(lookup, stored)
      const isUnderWay = this.#runs.refresh(lookup, found.storageKey, stored, this, look)
      if (!isUnderWay && refresh === 'stale') {
        return this.#carryOut(lookup.exchange, missed(lookup, found, 'outlived', this.#by))
      }
    }
    const tier = found.found?.tier ?? 'memory'
    const { cacheStatus, precompress } = this.#policy
    this.#keys.found(lookup.key)
    if (precompress !== undefined && precompress.length > 0) {
      this.#writer.precompressor.afterHit(found.storageKey, stored, now)
    }
    this.#countHit(lookup, tier, now >= stored.staleAt, found.found?.disconnected === true)
    const key = cacheStatus === 'debug' ? lookup.key.text : undefined
    const shown = representationFor(stored, lookup.request, now)
    if (shown.isEncoded) this.cache.counters.precompressedHits += 1
    const whole = shown.asHit(now, cacheStatus === false ? undefined : tier, key)
    return answerFromStore(lookup.exchange, shown, whole, now, lookup.storage.answersAsOrigin)
  }

  #countHit(lookup: Lookup<Context>, tier: 'memory' | 'redis', stale: boolean, disconnected: boolean): void {
    const { cache } = this
    const { counters } = cache
    if (tier === 'memory') counters.memoryHits += 1
    else counters.redisHits += 1
    if (stale) counters.stale += 1
    if (disconnected) counters.servedWhileDisconnected += 1
    if (cache.listenerCount('hit') > 0) cache.emit('hit', { key: lookup.key.text, tier, stale })
  }

  #miss(decision: Miss<Context>): Outcome | Promise<Outcome> {
    const { kind, lookup, miss } = decision
    if (kind === 'post') return this.#runs.post(lookup, miss, this.#toRetire(lookup), this)
    if (kind === 'inner') return this.#runs.alone(lookup, miss, this)
    this.#countMiss(lookup, miss)
    switch (kind) {
      case 'refuse':
        this.#writer.count('only-if-cached')
        return gatewayTimeout(this.#status({ detail: 'only-if-cached' }))
      case 'head':
        this.#writer.tell(lookup.key.text, kind)
        return this.#passThrough(lookup.exchange, { fwd: miss.fwd, detail: kind }, undefined)
      case 'check':
        return this.#runs.check(lookup, miss, decision.stored, this)
      case 'wait':
        return this.#follow(lookup, miss, decision.flight)
      case 'run':
        return this.#runs.lead(lookup, miss, this, () => this.#lookAgain(lookup))
      case 'side-by-side':
        this.#runs.noteSlowness(miss.storageKey)
        return this.#runs.alone(lookup, miss, this)
      default:
        return this.#runs.alone(lookup, miss, this)
    }
  }

  /** The fresh response that another process has stored meanwhile, if there is one. */
  async #lookAgain(lookup: Lookup<Context>): Promise<StoredResponse | undefined> {
    const { stored } = await this.#by.find(lookup)
    const now = this.cache.clock.now()
    if (stored === undefined || !lookup.mayUse(stored, now)) return undefined
    return mayReuse(stored, lookup.directives, now) === 'fresh' ? stored : undefined
  }

  /** As {@link #lookAgain}, for what takes the place of a stored response. */
  async #lookForNewer(lookup: Lookup<Context>, than: StoredResponse): Promise<StoredResponse | undefined> {
    const stored = await this.#lookAgain(lookup)
    return stored !== undefined && stored.staleAt > than.staleAt ? stored : undefined
  }

  #countMiss(lookup: Lookup<Context>, { storageKey, reason, stale, part }: MissReason): void {
    if (stale !== undefined || part !== undefined || this.#recentlyRefused.has(storageKey)) this.#keys.found(lookup.key)
    if (lookup.waits > 0) return
    this.cache.counters.misses += 1
    if (reason !== 'uri-miss') this.#writer.count(reason)
    if (this.cache.listenerCount('miss') > 0) this.cache.emit('miss', { key: lookup.key.text, reason })
  }

  /** Waits for the handler that runs for another request, and takes what it brings if that is right for this one. */
  async #follow(lookup: Lookup<Context>, miss: MissReason, flight: Flight): Promise<Outcome> {
    lookup.waits += 1
    const landing = await flight.wait()
    const reply = this.#runs.answerAfter(lookup, miss, landing)
    if (reply !== undefined) return reply
    lookup.collapsed = false
    // Somebody else has to lead now, or the response turned out to vary.
    const again =
      landing.kind === 'abandoned' ||
      (landing.kind === 'stored' && isForSeveral(landing.stored, this.cache.clock.now()))
    return again && lookup.waits < MAX_LOOKS ? this.#look(lookup) : this.#runs.alone(lookup, miss, this)
  }

  #pass(exchange: Exchange<Context>, { reason, fwd }: Pick<Pass<Context>, 'reason' | 'fwd'>): Forwarding {
    this.#countPass(exchange, reason)
    if (fwd === 'bypass') return this.#passThrough(exchange, { fwd, detail: reason }, reason)
    const { request } = exchange
    const status = this.#status({ fwd, detail: reason })
    const recording = new Invalidating(new ResponseNotes(), status, request, [this.#retiring(exchange)], (thrown) =>
      this.#writer.fault(thrown),
    )
    openScope(exchange.raw, { owner: this, storageScope: this.#storageScope, bypass: fwd, recording, isAwaited: false })
    return new Forwarding(recording)
  }

  /** What a request that stores invalidates: here, and in the middlewares around, which would come later and take out what it stores. */
  #toRetire({ exchange, key }: Lookup<Context>): readonly Retiring[] {
    const outer = scopeOf(exchange.raw)?.recording
    const own = { invalidations: this.invalidations, extra: () => '', key: key.text }
    return outer instanceof Invalidating ? [...outer.release(), own] : [own]
  }

  /** What an unsafe request takes out of use here, beside what lies under the key of its URI: what is for the same user. */
  #retiring({ context, request }: Exchange<Context>): Retiring {
    const { key, user } = this.#policy
    const extra = (): string | Promise<string> => {
      if (key === undefined && user === undefined) return wholeExtra(request, '')
      const answers = answersOf([key, user], context)
      const whole = ([named, who]: readonly unknown[]) =>
        wholeExtra(request, optionAnswers(this.#policy, named, who).extra)
      return answers.some(isThenable)
        ? settledAnswers(answers, this.#policy, this.cache.clock).then(whole)
        : whole(answers)
    }
    return { invalidations: this.invalidations, extra, key: undefined }
  }

  #countPass(exchange: Exchange<Context>, reason: Reason): void {
    const { cache } = this
    cache.counters.bypassed += 1
    this.#writer.count(reason)
    if (cache.listenerCount('bypass') === 0) return
    const { method, url } = exchange.request
    cache.emit('bypass', { reason, method, path: pathOf(url) })
  }

  #passFaulty(exchange: Exchange<Context>, thrown: unknown): Forwarding {
    this.#writer.fault(thrown)
    return this.#pass(exchange, passFor(exchange.request, 'fault'))
  }

  #passThrough(exchange: Exchange<Context>, status: CacheStatus, bypass: string | undefined): Forwarding {
    const recording = new PassThrough(new ResponseNotes(), this.#status(status))
    openScope(exchange.raw, { owner: this, storageScope: this.#storageScope, bypass, recording, isAwaited: false })
    return new Forwarding(recording)
  }

  #status(status: CacheStatus): CacheStatus | undefined {
    return this.#policy.cacheStatus === false ? undefined : status
  }

  #decideNested(exchange: Exchange<Context>, scope: Scope): Outcome | Promise<Outcome> {
    const { recording } = scope
    const role = this.#roleIn(scope, exchange.request.method)
    if (role === 'inner' || role === 'instead') return this.#takeOver(exchange, scope, role === 'inner')
    if (role === 'awaited') {
      scope.isAwaited = false
      return this.#meet(exchange, scope)
    }
    const recorder = recorderIn(recording)
    if (role === 'joining' && recorder !== undefined) this.#runs.refine(recorder, exchange)
    return new Forwarding(new Unrecorded(recording.handle))
  }

  /** What this middleware does with a request that a middleware has looked at already. */
  #roleIn(scope: Scope, method: string): Role {
    const { recording, owner, isAwaited, bypass } = scope
    if (isAwaited && owner === this) return 'awaited'
    if (isAwaited || owner === this || bypass === 'skip' || bypass === 'fault') return 'silent'
    if (this.#isOwnPlace(scope)) return 'inner'
    if (recorderIn(recording) !== undefined) return 'joining'
    return bypass === 'method' && isCached(method, this.#policy) ? 'instead' : 'silent'
  }

  /** From where an explanation has to look at a request: as which of the caches that it meets. */
  #standpointFor(raw: object, method: string): Standpoint<Context> {
    const scope = scopeOf(raw)
    if (scope === undefined) return { nested: this.#isInner ? 'unknown' : false }
    const role = this.#roleIn(scope, method)
    if (role === 'inner' || role === 'instead') return { nested: role === 'inner', takesOver: true }
    const { owner } = scope
    if (owner !== this && owner instanceof ResponseCache) {
      const said = role === 'joining' ? this.#policy : undefined
      return { nested: false, decide: (exchange) => owner.explain(exchange, said) }
    }
    return { nested: recorderIn(scope.recording)?.of.nested ?? (this.#isInner ? 'unknown' : false) }
  }

  /** What was decided before the application had the request, or for the copy that a refresh sends, comes to the middleware. */
  #meet(exchange: Exchange<Context>, { recording, ahead }: Scope): Outcome | Promise<Outcome> {
    if (ahead !== undefined && this.#isAnother(exchange, ahead)) {
      if (recording instanceof ResponseRecorder || recording instanceof PassThrough) recording.giveUp()
      return this.#decide(exchange, false)
    }
    if (recording instanceof ResponseRecorder) this.#runs.adopt(recording, exchange)
    return new Forwarding(recording, ahead?.changes)
  }

  /** Whether what stands in front of the middleware has made another request of the one that was decided upon. */
  #isAnother({ request, user, session }: Exchange<Context>, { head }: Ahead): boolean {
    if (request.rewritten !== undefined || isLoggedIn(user, session)) return true
    if (request.originalMethod !== undefined && request.originalMethod !== head.method) return true
    return AHEAD.some((part) => request[part] !== head[part])
  }

  /** Whether this middleware looks for itself: it stores elsewhere than the outer one, or has to be asked before anything is used. */
  #isOwnPlace(scope: Scope): boolean {
    const { skip, allowRefresh } = this.#policy
    if (skip !== undefined || allowRefresh !== undefined) return true
    if (scope.bypass !== undefined && scope.bypass !== 'method') return true
    return this.#storageScope.some((part, at) => part !== scope.storageScope[at])
  }

  #takeOver(exchange: Exchange<Context>, { recording, owner }: Scope, nested: boolean): Outcome | Promise<Outcome> {
    if (recording instanceof ResponseRecorder || recording instanceof PassThrough) recording.standDown()
    if (nested) this.#isInner = true
    if (owner instanceof ResponseCache) owner.invalidations.include(this.invalidations)
    return this.#decide(exchange, nested)
  }
}

const AHEAD = ['method', 'url', 'protocol', 'host', 'otherOrigin'] as const

/** Decides without noting what is read for it as something that the run has read. */
function unwatched(inputs: InputsRead, decide: () => Outcome | Promise<Outcome>): Outcome | Promise<Outcome> {
  inputs.pause()
  try {
    const decision = decide()
    if (!(decision instanceof Promise)) {
      inputs.resume()
      return decision
    }
    return decision.finally(() => inputs.resume())
  } catch (thrown) {
    inputs.resume()
    throw thrown
  }
}

/** The answer to `only-if-cached` when nothing is stored (RFC 9111, section 5.2.1.7). */
function gatewayTimeout(status: CacheStatus | undefined): Reply {
  const fields = ['Content-Length', '0']
  if (status !== undefined) fields.push('Cache-Status', cacheStatusMember(CACHE_NAME, status))
  return { status: 504, reason: undefined, fields, removed: [], body: undefined }
}

brand(ResponseCache, 'protocol')
