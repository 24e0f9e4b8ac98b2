import { brand } from '../../core/brand.js'
import type { CacheEngine } from '../../core/engine.js'
import type { Exchange, Reply, RequestHead } from '../port/exchange.js'
import { ResponseNotes } from '../port/response-notes.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { Reason } from '../rules/reasons.js'
import { isForSeveral, mayReuse, requestControl } from '../rules/reusable.js'
import { Invalidations } from '../store/invalidations.js'
import { onShelfFor, Searches } from '../store/no-vary-search-index.js'
import { PrimaryKeys } from '../store/primary-key.js'
import { RecentlyRefused } from '../store/recently-refused.js'
import { representationFor } from '../store/representation.js'
import { CACHE_NAME, type StoredResponse } from '../store/stored-response.js'
import { UriKeys } from '../store/uri-keys.js'
import { type OnShelf, Shelf } from '../store/variants.js'
import { type CacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { asksInOwnUnits } from '../syntax/range.js'
import { pathOf } from '../syntax/target.js'
import { answerFromStore } from './answer.js'
import { askFunctions, settledAnswers } from './asked-functions.js'
import { courseOf, isCached, OUTLIVED, passedBy, URI_MISS, type Verdict, verdictOn } from './decision.js'
import { lookupOf, type Naming, namingOf, wholeExtra } from './entering.js'
import { explain, type Standpoint } from './explain.js'
import type { Explanation } from './explanation.js'
import { Fill } from './fill.js'
import type { Flight } from './flight.js'
import { Forwarding, HandlerRuns, type Miss } from './handler-runs.js'
import { Keeper } from './keeper.js'
import type { Lookup } from './lookup.js'
import { Invalidating, Passing, Silent } from './pass.js'
import { isLoggedIn } from './personal.js'
import { type Policy, placeOf } from './policy.js'
import { fillIn } from './post-answer.js'
import type { Retiring } from './retiring.js'
import { type Ahead, openScope, type Scope, scopeOf } from './scope.js'
import { answersOf, isThenable } from './thenable.js'

/** What is decided about a request: an answer, or the handler. */
type Decision = Reply | Forwarding | typeof INSIDE

/** The application is to decide: see `Exchange.enter`. */
const INSIDE = Symbol('inside')

/**
 * What a middleware does with a request that another one has looked at: meet what was decided for it before, say nothing, add to
 * the recording of the outer one, look for itself within it, or take its place.
 */
type Role = 'awaited' | 'silent' | 'joining' | 'inner' | 'instead'

/** A request that has waited in vain looks again so many times before it runs the handler for itself. */
const MAX_LOOKS = 4

/**
 * The protocol: look up, then reply, forward or refresh, then keep (RFC 9111, sections 3 and 4).
 *
 * @typeParam Context - what the framework hands to its users
 */
export class ResponseCache<Context extends object> {
  readonly cache: CacheEngine
  readonly #policy: Policy<Context>
  readonly #place: readonly unknown[]
  readonly #keys: PrimaryKeys
  readonly #shelf: Shelf
  readonly #searches: Searches
  readonly #keeper: Keeper
  readonly #runs: HandlerRuns<Context>
  readonly #recentlyRefused: RecentlyRefused
  /** Whether it has taken a request over from a cache further out. */
  #isInner = false
  /** What invalidates the responses of this route. */
  readonly invalidations: Invalidations

  constructor(policy: Policy<Context>) {
    const { engine: cache } = policy
    const recentlyRefused = new RecentlyRefused(cache.clock)
    this.cache = cache
    this.#policy = policy
    this.#place = placeOf(policy)
    this.#keys = new PrimaryKeys(policy)
    this.#shelf = new Shelf(cache)
    this.#searches = new Searches(cache, this.#shelf)
    const searches = policy.noVarySearch ? this.#searches : undefined
    this.invalidations = new Invalidations(
      policy.cache,
      policy.group,
      new UriKeys(cache, this.#keys, this.#shelf, searches),
    )
    this.#keeper = new Keeper(cache, this.#shelf, this.#searches, recentlyRefused)
    this.#recentlyRefused = recentlyRefused
    this.#runs = new HandlerRuns(policy, this.#keeper, recentlyRefused)
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
    const decision = this.#decideSafely(exchange)
    if (!(decision instanceof Promise)) return this.#carryOut(exchange, decision)
    return decision.then(
      (made) => this.#carryOut(exchange, made),
      (thrown: unknown) => this.#carryOut(exchange, this.#bypassFaulty(exchange, thrown)),
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
      shelf: this.#shelf,
      searches: this.#searches,
      runs: this.#runs,
      recentlyRefused: this.#recentlyRefused,
      standpointFor: (raw, method) => this.#standpointFor(raw, method),
    })
  }

  #decideSafely(exchange: Exchange<Context>): Decision | Promise<Decision> {
    try {
      const scope = scopeOf(exchange.raw)
      if (scope === undefined) return this.#decide(exchange, false)
      const { inputs } = scope.recording
      if (inputs === undefined) return this.#decideNested(exchange, scope)
      return unwatched(inputs, () => this.#decideNested(exchange, scope))
    } catch (thrown) {
      return this.#bypassFaulty(exchange, thrown)
    }
  }

  #carryOut(exchange: Exchange<Context>, decision: Decision): void | Promise<void> {
    if (decision instanceof Forwarding) return exchange.forward(decision.recording, decision.changes)
    if (decision === INSIDE) return exchange.enter?.()
    try {
      exchange.reply(decision)
    } catch (thrown) {
      return exchange.forward(this.#bypassFaulty(exchange, thrown).recording)
    }
  }

  #decide(exchange: Exchange<Context>, nested: boolean): Decision | Promise<Decision> {
    const passed = passedBy(exchange.request, this.#policy)
    if (passed === 'method') return this.#passMethod(exchange, passed)
    if (passed !== undefined) return this.#bypass(exchange, passed)
    const { inactive } = this.cache
    if (inactive !== undefined) return this.#bypass(exchange, inactive)
    const named = askFunctions(this.#policy, exchange, this.cache.clock)
    if (named instanceof Promise) return named.then((settled) => this.#enterNamed(exchange, settled, nested))
    return this.#enterNamed(exchange, named, nested)
  }

  #enterNamed(exchange: Exchange<Context>, naming: Naming | 'skip', nested: boolean): Decision | Promise<Decision> {
    return naming === 'skip' ? this.#bypass(exchange, naming) : this.#enter(exchange, naming, nested)
  }

  #enter(exchange: Exchange<Context>, naming: Naming, nested: boolean): Decision | Promise<Decision> {
    const entered = lookupOf(this.#policy, this.#keys, exchange, naming, nested)
    if (entered instanceof Promise) return entered.then((lookup) => this.#begin(exchange, lookup))
    return this.#begin(exchange, entered)
  }

  #begin(exchange: Exchange<Context>, entered: Lookup<Context> | Reason): Decision | Promise<Decision> {
    if (typeof entered === 'string') return this.#bypass(exchange, entered)
    if (exchange.request.method === 'POST') return this.#runs.post(entered, this.#toRetire(exchange, entered), this)
    return this.#look(entered)
  }

  #look(lookup: Lookup<Context>): Decision | Promise<Decision> {
    lookup.looks += 1
    const shelf = this.#find(lookup)
    if (shelf instanceof Promise) return shelf.then((found) => this.#judge(lookup, found))
    return this.#judge(lookup, shelf)
  }

  #find(lookup: Lookup<Context>): OnShelf | Promise<OnShelf> {
    return onShelfFor(lookup, this.#shelf, this.#searches)
  }

  #judge(lookup: Lookup<Context>, shelf: OnShelf): Decision | Promise<Decision> {
    if (shelf.isUntold === true && lookup.exchange.enter !== undefined) return INSIDE
    const { place, stored } = shelf
    const now = this.cache.clock.now()
    const verdict = verdictOn(lookup, shelf, now)
    if (verdict.kind === 'refused') return this.#bypass(lookup.exchange, verdict.reason)
    // It shall look for itself.
    if (verdict.kind === 'inner') return this.#runs.alone(lookup, { place, fwd: 'uri-miss', stale: undefined }, this)
    if (verdict.kind === 'miss') return this.#miss(lookup, shelf, verdict)
    if (stored === undefined) return this.#miss(lookup, shelf, URI_MISS)
    const isDue = verdict.reuse === 'fresh' && this.cache.isDueEarly(stored.staleAt, stored.cost)
    if (isDue || verdict.reuse === 'stale-while-revalidate') {
      const look = () => this.#lookForNewer(lookup, stored)
      const isUnderWay = this.#runs.refresh(lookup, place, stored, this, look)
      if (!isUnderWay && !isDue) return this.#miss(lookup, shelf, OUTLIVED)
    }
    return this.#hit(lookup, shelf, stored, now)
  }

  #hit(lookup: Lookup<Context>, { place, found }: OnShelf, stored: StoredResponse, now: number): Reply {
    const tier = found?.tier ?? 'memory'
    const { cacheStatus, precompress } = this.#policy
    this.#keys.found(lookup.key)
    if (precompress !== undefined && precompress.length > 0) this.#keeper.precompressor.afterHit(place, stored, now)
    this.#countHit(lookup, tier, now >= stored.staleAt, found?.disconnected === true)
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

  #miss(
    lookup: Lookup<Context>,
    { place, stored }: OnShelf,
    verdict: Verdict & { kind: 'miss' },
  ): Decision | Promise<Decision> {
    const { exchange } = lookup
    const { fwd, reason } = verdict
    if (lookup.looks === 1) this.#countMiss(lookup, reason)
    if (stored !== undefined || this.#recentlyRefused.has(place)) this.#keys.found(lookup.key)
    const stale = verdict.usable ? stored : undefined
    const course = courseOf(lookup, stale)
    const part = stored?.status === 206 ? stored : undefined
    const miss: Miss = { place, fwd, stale, part }
    switch (course.kind) {
      case 'only-if-cached':
        this.#keeper.count(course.kind)
        return gatewayTimeout(this.#status({ detail: course.kind }))
      case 'head':
        this.#keeper.tell(lookup.key.text, course.kind)
        return this.#passing(exchange, { fwd, detail: course.kind }, undefined)
      case 'check':
        return this.#runs.check(lookup, miss, course.stored, this)
      case 'refused':
        return this.#bypass(exchange, course.reason)
      case 'alone':
        return this.#runs.alone(lookup, { ...miss, fwd: 'bypass' }, this)
      default:
        return this.#run(lookup, miss)
    }
  }

  /** Runs the handler for this request and for those that wait for it, or waits for the one that runs. */
  #run(lookup: Lookup<Context>, miss: Miss): Decision | Promise<Decision> {
    const { place, fwd } = miss
    const flight = fwd === 'request' || asksInOwnUnits(lookup.request.headers) ? undefined : this.#runs.flightTo(place)
    if (flight !== undefined) {
      return this.#runs.areCrowded ? this.#runs.alone(lookup, miss, this) : this.#follow(lookup, miss, flight)
    }
    return this.#runs.lead(lookup, miss, this, () => this.#lookAgain(lookup))
  }

  /** The fresh response that another process has stored meanwhile, if there is one. */
  async #lookAgain(lookup: Lookup<Context>): Promise<StoredResponse | undefined> {
    const { stored } = await this.#find(lookup)
    const now = this.cache.clock.now()
    if (stored === undefined || !lookup.mayUse(stored, now)) return undefined
    return mayReuse(stored, lookup.wishes, now) === 'fresh' ? stored : undefined
  }

  /** As {@link #lookAgain}, for what takes the place of a stored response. */
  async #lookForNewer(lookup: Lookup<Context>, than: StoredResponse): Promise<StoredResponse | undefined> {
    const stored = await this.#lookAgain(lookup)
    return stored !== undefined && stored.staleAt > than.staleAt ? stored : undefined
  }

  #countMiss(lookup: Lookup<Context>, reason: Reason): void {
    this.cache.counters.misses += 1
    if (reason !== 'uri-miss') this.#keeper.count(reason)
    if (this.cache.listenerCount('miss') > 0) this.cache.emit('miss', { key: lookup.key.text, reason })
  }

  /** Waits for the handler that runs for another request, and takes what it brings if that is right for this one. */
  async #follow(lookup: Lookup<Context>, miss: Miss, flight: Flight): Promise<Decision> {
    const landing = await flight.wait()
    const reply = this.#runs.answerAfter(lookup, miss, landing)
    if (reply !== undefined) return reply
    lookup.collapsed = false
    // Somebody else has to lead now, or the response turned out to vary.
    const again =
      landing.kind === 'abandoned' ||
      (landing.kind === 'stored' && isForSeveral(landing.stored, this.cache.clock.now()))
    return again && lookup.looks < MAX_LOOKS ? this.#look(lookup) : this.#runs.alone(lookup, miss, this)
  }

  /** Passes by the store, but not by what the request invalidates. */
  #passMethod(exchange: Exchange<Context>, reason: Reason): Forwarding {
    this.#countBypass(exchange, reason)
    const status = this.#status({ fwd: 'method', detail: reason })
    const { request } = exchange
    const recording = new Invalidating(new ResponseNotes(), status, request, [this.#retiring(exchange)], (thrown) =>
      this.#keeper.fault(thrown),
    )
    openScope(exchange.raw, { owner: this, place: this.#place, bypass: 'method', recording, isAwaited: false })
    return new Forwarding(recording)
  }

  /** What a request that stores invalidates: here, and in the middlewares around, which would come later and take out what it stores. */
  #toRetire(exchange: Exchange<Context>, { key }: Lookup<Context>): readonly Retiring[] {
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
      const whole = ([named, who]: readonly unknown[]) => wholeExtra(request, namingOf(this.#policy, named, who).extra)
      return answers.some(isThenable)
        ? settledAnswers(answers, this.#policy, this.cache.clock).then(whole)
        : whole(answers)
    }
    return { invalidations: this.invalidations, extra, key: undefined }
  }

  #bypass(exchange: Exchange<Context>, reason: Reason): Forwarding {
    if (exchange.request.method === 'POST') return this.#passMethod(exchange, reason)
    this.#countBypass(exchange, reason)
    return this.#passing(exchange, { fwd: 'bypass', detail: reason }, reason)
  }

  #countBypass(exchange: Exchange<Context>, reason: Reason): void {
    const { cache } = this
    cache.counters.bypassed += 1
    this.#keeper.count(reason)
    if (cache.listenerCount('bypass') === 0) return
    const { method, url } = exchange.request
    cache.emit('bypass', { reason, method, path: pathOf(url) })
  }

  #bypassFaulty(exchange: Exchange<Context>, thrown: unknown): Forwarding {
    this.#keeper.fault(thrown)
    return this.#bypass(exchange, 'fault')
  }

  #passing(exchange: Exchange<Context>, status: CacheStatus, bypass: string | undefined): Forwarding {
    const recording = new Passing(new ResponseNotes(), this.#status(status))
    openScope(exchange.raw, { owner: this, place: this.#place, bypass, recording, isAwaited: false })
    return new Forwarding(recording)
  }

  #status(status: CacheStatus): CacheStatus | undefined {
    return this.#policy.cacheStatus === false ? undefined : status
  }

  #decideNested(exchange: Exchange<Context>, scope: Scope): Decision | Promise<Decision> {
    const { recording } = scope
    const role = this.#roleIn(scope, exchange.request.method)
    if (role === 'inner' || role === 'instead') return this.#takeOver(exchange, scope, role === 'inner')
    if (role === 'awaited') {
      scope.isAwaited = false
      return this.#meet(exchange, scope)
    }
    const fill = fillIn(recording)
    if (role === 'joining' && fill !== undefined) this.#runs.refine(fill, exchange)
    return new Forwarding(new Silent(recording.handle))
  }

  /** What this middleware does with a request that a middleware has looked at already. */
  #roleIn(scope: Scope, method: string): Role {
    const { recording, owner, isAwaited, bypass } = scope
    if (isAwaited && owner === this) return 'awaited'
    if (isAwaited || owner === this || bypass === 'skip' || bypass === 'fault') return 'silent'
    if (this.#isOwnPlace(scope)) return 'inner'
    if (fillIn(recording) !== undefined) return 'joining'
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
    return { nested: fillIn(scope.recording)?.of.nested ?? (this.#isInner ? 'unknown' : false) }
  }

  /** What was decided before the application had the request, or for the copy that a refresh sends, comes to the middleware. */
  #meet(exchange: Exchange<Context>, { recording, ahead }: Scope): Decision | Promise<Decision> {
    if (ahead !== undefined && this.#isAnother(exchange, ahead)) {
      if (recording instanceof Fill || recording instanceof Passing) recording.giveUp()
      return this.#decide(exchange, false)
    }
    if (recording instanceof Fill) this.#runs.adopt(recording, exchange)
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
    return this.#place.some((part, at) => part !== scope.place[at])
  }

  #takeOver(exchange: Exchange<Context>, { recording, owner }: Scope, nested: boolean): Decision | Promise<Decision> {
    if (recording instanceof Fill || recording instanceof Passing) recording.standDown()
    if (nested) this.#isInner = true
    if (owner instanceof ResponseCache) owner.invalidations.include(this.invalidations)
    return this.#decide(exchange, nested)
  }
}

const AHEAD = ['method', 'url', 'protocol', 'host', 'otherOrigin'] as const

/** Decides without noting what is read for it as something that the run has read. */
function unwatched(inputs: InputsRead, decide: () => Decision | Promise<Decision>): Decision | Promise<Decision> {
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
