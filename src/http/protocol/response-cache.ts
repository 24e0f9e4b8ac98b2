import type { CacheEngine } from '../../core/engine.js'
import type { Exchange } from '../port/exchange.js'
import type { Reply } from '../port/reply.js'
import type { RequestHead } from '../port/request-head.js'
import { isForSeveral } from '../rules/reusable.js'
import type { VerifyReport } from '../shadow/verify-report.js'
import type { Invalidations } from '../store/invalidations.js'
import { asksAboutRequests, mayDecideAhead } from './ahead.js'
import {
  type DecidedBy,
  type Decision,
  decide,
  type Hit,
  look,
  type Miss,
  type MissReason,
  missed,
} from './decision.js'
import type { ExplainedExchange } from './described-request.js'
import { explainLate } from './explain-late.js'
import type { Explanation } from './explanation.js'
import type { Flight } from './flight.js'
import { Forwarding, NOTHING } from './forwarding.js'
import { HandlerRuns } from './handler-runs.js'
import { Hits } from './hits.js'
import { lookAgain, lookForNewer } from './look-again.js'
import type { Lookup } from './lookup.js'
import { isAnother, isOtherRefresh, Nested, unwatched } from './nested.js'
import { PassThrough, Unrecorded } from './pass-through.js'
import { Passes } from './passes.js'
import { type Policy, storageScopeOf } from './policy.js'
import { recorderIn } from './post-answer.js'
import { type ProtocolParts, protocolParts } from './protocol-parts.js'
import type { Reports } from './reports.js'
import { ResponseRecorder } from './response-recorder.js'
import { ResponseWriter } from './response-writer.js'
import { type Scope, Scopes, scopeOf } from './scope.js'
import { Shadowed } from './shadowed.js'
import { forwardTraced } from './traced-run.js'
import { Verified } from './verified.js'

/** The result for a request: a reply, or forwarding it to the handler or the application. */
type Outcome = Reply | Forwarding | typeof INSIDE | typeof NOTHING

/** The application makes the decision: see `Exchange.enter`. */
const INSIDE = Symbol('inside')

/** Maximum number of times that a request waits for others before it runs the handler itself. */
const MAX_LOOKS = 4

/**
 * Carries out the caching protocol for each request: looks up a stored response, then replies, forwards or refreshes,
 * and stores the new response (RFC 9111, sections 3 and 4).
 *
 * @typeParam Context - the object that the framework passes to its users
 */
export class ResponseCache<Context extends object> {
  readonly cache: CacheEngine
  /** Invalidates the responses of this route. */
  readonly invalidations: Invalidations
  readonly #policy: Policy<Context>
  readonly #parts: ProtocolParts<Context>
  readonly #reports: Reports
  readonly #scopes: Scopes
  readonly #nested: Nested<Context>
  readonly #passes: Passes<Context>
  readonly #hits: Hits<Context>
  readonly #runs: HandlerRuns<Context>
  readonly #by: DecidedBy<Context>
  /** Carries decisions out in shadow mode; `undefined` in normal mode. */
  readonly #shadow: Shadowed<Context> | undefined
  /** Compares hits with their handlers; `undefined` unless the mode is `verify`. */
  readonly #verified: Verified<Context> | undefined

  constructor(policy: Policy<Context>) {
    const parts = protocolParts(policy)
    const { cache, keys, responses } = parts
    this.cache = cache
    this.invalidations = parts.invalidations
    this.#policy = policy
    this.#parts = parts
    this.#reports = parts.reports
    const writer = new ResponseWriter(parts)
    this.#scopes = new Scopes(this, storageScopeOf(policy))
    this.#nested = new Nested(policy, this.#scopes)
    this.#passes = new Passes(parts, this.#scopes)
    this.#hits = new Hits(parts, writer)
    this.#runs = new HandlerRuns(parts, this.#scopes, writer)
    const find = (lookup: Lookup<Context>) => responses.find(lookup)
    const [scopes, passes, runs] = [this.#scopes, this.#passes, this.#runs]
    this.#shadow = policy.shadow && new Shadowed(policy.shadow, { parts, scopes, passes, runs })
    if (policy.verifyShare !== undefined) this.#verified = new Verified(policy.verifyShare, { parts, scopes })
    this.#by = { policy, cache, keys, find, runs: this.#runs.flights }
  }

  /**
   * Whether option functions run for every request, values set by middleware select responses, or the cache is in shadow
   * mode, so that no decision can be made before the framework has the request.
   */
  get asksAboutRequests(): boolean {
    return asksAboutRequests(this.#policy)
  }

  /** Whether the decision about a request can be made before the framework has it: no option function runs for it. */
  mayDecideAhead(request: RequestHead): boolean {
    return mayDecideAhead(request, this.#policy)
  }

  /** What was compared in the mode `verify`. */
  verifyReport(): VerifyReport | undefined {
    return this.#verified?.report()
  }

  /** Answers or forwards a request. Throws or rejects only with errors of the application. */
  handle(exchange: Exchange<Context>): void | Promise<void> {
    const outcome = this.#decideSafely(exchange)
    if (!(outcome instanceof Promise)) return this.#deliver(exchange, outcome)
    return outcome.then(
      (made) => this.#deliver(exchange, made),
      (thrown: unknown) => this.#deliver(exchange, this.#passes.faulty(exchange, thrown)),
    )
  }

  /**
   * Explains what {@link handle} would do with the request of an exchange. Does not reject if the exchange cannot be
   * made; only if the code, which the first call loads, is missing.
   *
   * @param cacheStatus - whether Cache-Status is sent, which the nested middleware decides if it joins a recording
   */
  explain(
    exchange: ExplainedExchange<Context>,
    { cacheStatus }: Pick<Policy<Context>, 'cacheStatus'> = this.#policy,
  ): Promise<Explanation> {
    const of = {
      ...this.#parts,
      policy: { ...this.#policy, cacheStatus },
      flights: this.#runs.flights,
      standpointFor: (raw: object, method: string) => this.#nested.standpointFor(raw, method),
    }
    return explainLate(exchange, of)
  }

  #decideSafely(exchange: Exchange<Context>): Outcome | Promise<Outcome> {
    try {
      const scope = scopeOf(exchange.raw)
      if (scope === undefined) return this.#decide(exchange, false)
      const { inputs } = scope.recording
      if (inputs === undefined) return this.#decideNested(exchange, scope)
      return unwatched(inputs, () => this.#decideNested(exchange, scope))
    } catch (thrown) {
      return this.#passes.faulty(exchange, thrown)
    }
  }

  #deliver(exchange: Exchange<Context>, outcome: Outcome): void | Promise<void> {
    if (outcome instanceof Forwarding) return forwardTraced(exchange, outcome, this.cache)
    if (outcome === INSIDE) return exchange.enter?.()
    if (outcome === NOTHING) return
    try {
      exchange.reply(outcome)
    } catch (thrown) {
      return exchange.forward(this.#passes.faulty(exchange, thrown).recording)
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
    if (this.#shadow !== undefined && decision.kind !== 'enter') return this.#shadow.carryOut(exchange, decision)
    switch (decision.kind) {
      case 'hit':
        return this.#hit(decision)
      case 'enter':
        return INSIDE
      case 'pass':
        if (decision.lookup !== undefined && decision.miss !== undefined) {
          this.#countMiss(decision.lookup, decision.miss)
        }
        return this.#passes.bypass(exchange, decision)
      default:
        return this.#miss(decision)
    }
  }

  #hit(hit: Hit<Context>): Outcome | Promise<Outcome> {
    const { lookup, found, stored, refresh } = hit
    if (refresh !== undefined) {
      const look = () => lookForNewer(lookup, stored, this.#by)
      const isUnderWay = this.#runs.refresh(lookup, found.storageKey, stored, look)
      if (!isUnderWay && refresh === 'stale') {
        return this.#carryOut(lookup.exchange, missed(lookup, found, 'outlived', this.#by))
      }
    }
    this.#verified?.afterHit(hit)
    return this.#hits.answer(hit)
  }

  #miss(decision: Miss<Context>): Outcome | Promise<Outcome> {
    const { kind, lookup, miss } = decision
    if (kind === 'post') return this.#runs.post(lookup, miss, this.#passes.toRetire(lookup))
    if (kind === 'inner') return this.#runs.alone(lookup, miss)
    this.#countMiss(lookup, miss)
    switch (kind) {
      case 'refuse':
        return this.#passes.gatewayTimeout(lookup.exchange)
      case 'head':
        this.#reports.refused(lookup.key.text, kind)
        return this.#passes.through(lookup.exchange, { fwd: miss.fwd, detail: kind }, { result: 'miss', reason: kind })
      case 'check':
        return this.#runs.check(lookup, miss, decision.stored)
      case 'wait':
        return this.#follow(lookup, miss, decision.flight)
      case 'run':
        return this.#runs.lead(lookup, miss, () => lookAgain(lookup, this.#by))
      case 'side-by-side':
        this.#runs.flights.noteSlowness(miss.storageKey)
        return this.#runs.alone(lookup, miss)
      default:
        return this.#runs.alone(lookup, miss)
    }
  }

  #countMiss(lookup: Lookup<Context>, { storageKey, reason, stale, part }: MissReason): void {
    if (stale !== undefined || part !== undefined || this.#parts.recentlyRefused.has(storageKey))
      this.#parts.keys.found(lookup.key)
    if (lookup.waits === 0) this.#reports.miss(lookup.key.text, reason)
  }

  /** Waits for the handler run of another request, and uses its response if it fits this request. */
  async #follow(lookup: Lookup<Context>, miss: MissReason, flight: Flight): Promise<Outcome> {
    lookup.waits += 1
    const landing = await flight.wait()
    const reply = this.#runs.answers.after(landing, lookup, miss)
    if (reply !== undefined) return reply
    lookup.collapsed = false
    if (this.#runs.isLeft(lookup)) return NOTHING
    // The run was abandoned, so that another request must run the handler, or the response varies.
    const again =
      landing.kind === 'abandoned' ||
      (landing.kind === 'stored' && isForSeveral(landing.stored, this.cache.clock.now()))
    return again && lookup.waits < MAX_LOOKS ? this.#look(lookup) : this.#runs.alone(lookup, miss)
  }

  #decideNested(exchange: Exchange<Context>, scope: Scope): Outcome | Promise<Outcome> {
    const { recording } = scope
    const role = this.#nested.roleIn(scope, exchange.request.method)
    if (role === 'inner' || role === 'instead') {
      this.#nested.takeOver(scope, role)
      return this.#decide(exchange, role === 'inner')
    }
    if (role === 'awaited') {
      scope.isAwaited = false
      return this.#meet(exchange, scope)
    }
    const recorder = recorderIn(recording)
    if (role === 'joining' && recorder !== undefined) this.#runs.refine(recorder, exchange)
    return new Forwarding(new Unrecorded(recording.handle))
  }

  /**
   * Continues a request about which the decision was made ahead of the application, or the copy that a refresh sends.
   */
  #meet(exchange: Exchange<Context>, { recording, ahead }: Scope): Outcome | Promise<Outcome> {
    if (ahead === undefined ? isOtherRefresh(exchange, recording) : isAnother(exchange, ahead, recording)) {
      if (recording instanceof ResponseRecorder || recording instanceof PassThrough) recording.giveUp()
      return this.#decide(exchange, false)
    }
    if (recording instanceof ResponseRecorder) this.#runs.adopt(recording, exchange)
    else if (recording instanceof PassThrough && recording.tally !== undefined) recording.tally.exchange = exchange
    return new Forwarding(recording, ahead?.changes)
  }
}
