import type { Turn } from '../../core/coherence/shared-turns.js'
import type { CacheEngine } from '../../core/engine.js'
import type { RunMark } from '../../core/mark.js'
import type { DetachedRun, Exchange, FieldChanges } from '../port/exchange.js'
import { markRefresh } from '../port/refresh-mark.js'
import type { Reply } from '../port/reply.js'
import type { RequestHead } from '../port/request-head.js'
import { preconditions } from '../rules/conditional.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import type { SelectingFields } from '../rules/vary.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { Fields } from '../syntax/fields.js'
import type { MissReason } from './decision.js'
import type { Flight } from './flight.js'
import { Flights } from './flights.js'
import { changesFor, conditionsOf, Snapshot, seenOf, snapshotOf } from './forwarded-request.js'
import { Forwarding, NOTHING } from './forwarding.js'
import type { Lookup } from './lookup.js'
import { PostAnswer, PostWriter } from './post-answer.js'
import type { ProtocolParts } from './protocol-parts.js'
import type { Asked, RecordedRequest } from './recorded-request.js'
import { RecorderPolicies } from './recorder-policies.js'
import { refreshRequest } from './refresh-request.js'
import { Refreshes } from './refreshes.js'
import { ResponseRecorder } from './response-recorder.js'
import type { ResponseWriter } from './response-writer.js'
import type { Retiring } from './retiring.js'
import { Revalidation } from './revalidation.js'
import { RunAnswers } from './run-answers.js'
import { endTurnAfter, startInTurn, storedElsewhere } from './run-turns.js'
import type { Scopes } from './scope.js'
import { Tally } from './tally.js'

/** Checks whether another process has stored a response that a request may use. */
export type Look = () => StoredResponse | undefined | Promise<StoredResponse | undefined>

/** Parameters of one handler run. Omitted properties have the defaults of a run that serves one request. */
interface Run<Context extends object> {
  readonly lookup: Lookup<Context>
  readonly miss: MissReason
  readonly mark?: RunMark
  readonly flight?: Flight | undefined
  readonly conditions?: Fields | undefined
  readonly asked?: Asked | undefined
  readonly writer?: ResponseWriter
  readonly request?: Snapshot
  /** See {@link RecordedRequest.selecting}. */
  readonly selecting?: SelectingFields | undefined
  /** Whether the run is in the background: its request has been answered. */
  readonly isDetached?: boolean
}

/**
 * Starts handler runs: for one request, for several requests that wait for the same response (single flight), or in the
 * background without a request.
 */
export class HandlerRuns<Context extends object> {
  readonly flights: Flights
  readonly answers: RunAnswers<Context>
  readonly #parts: ProtocolParts<Context>
  readonly #cache: CacheEngine
  readonly #scopes: Scopes
  readonly #writer: ResponseWriter
  readonly #policies: RecorderPolicies<Context>
  readonly #refreshes: Refreshes

  constructor(parts: ProtocolParts<Context>, scopes: Scopes, writer: ResponseWriter) {
    const { cache, policy } = parts
    this.flights = new Flights(parts)
    this.answers = new RunAnswers(parts)
    this.#parts = parts
    this.#cache = cache
    this.#scopes = scopes
    this.#writer = writer
    this.#policies = new RecorderPolicies(policy)
    this.#refreshes = new Refreshes(cache.clock, cache.gauges, {
      slotFor: policy.collapseTimeout,
      runFor: cache.maxHandlerTime,
    })
  }

  /**
   * Runs the handler so that requests for the same response can wait for it, in this process and in others. Range
   * requests and requests for a certain version run on their own.
   */
  lead(
    lookup: Lookup<Context>,
    miss: MissReason,
    look: Look,
  ): Forwarding | Promise<Reply | Forwarding | typeof NOTHING> {
    const mark = this.#cache.mark()
    // The response to such a request may be unusable for other requests.
    if (seenOf(lookup.request) !== undefined) return this.#lead({ lookup, miss, mark })
    const flight = this.flights.takeOff(miss.storageKey, mark)
    const turn = this.#takeTurn(miss.storageKey, look)
    return turn === undefined
      ? this.#lead({ lookup, miss, mark, flight })
      : this.#leadInTurn(lookup, miss, flight, turn)
  }

  /**
   * Whether the client left while its request waited, and counts it then. A handler cannot notice that a client left
   * before it started, and might never end.
   */
  isLeft({ exchange }: Lookup<Context>): boolean {
    if (exchange.isClosed) new Tally(this.#parts.reports, exchange, { result: 'miss', reason: 'aborted' }).count()
    return exchange.isClosed
  }

  /**
   * Runs the handler for this request only, with the client's own conditions.
   *
   * @param flight - a run that other requests may wait for, as whose end the response counts
   * @param counts - whether the request is counted as one that the handler answers
   */
  alone(lookup: Lookup<Context>, miss: MissReason, flight?: Flight, counts = true): Forwarding {
    return this.#forward({ lookup, miss, flight, isDetached: !counts })
  }

  /** Runs the handler for HEAD. Its response shows whether the stored response to GET is still valid. */
  check(lookup: Lookup<Context>, miss: MissReason, stored: StoredResponse): Forwarding {
    return this.#forward({ lookup, miss, asked: this.answers.asked(lookup, miss, stored, 'HEAD') })
  }

  /** Runs the handler for POST. Its response may be stored for GET. */
  post(lookup: Lookup<Context>, miss: MissReason, retiring: readonly Retiring[]): Forwarding {
    const writer = new PostWriter(this.#writer)
    const recorder = this.#recorder({ lookup, miss, writer })
    recorder.of.tally.result = 'bypass'
    const recording = new PostAnswer(recorder, writer, retiring)
    this.#scopes.open(lookup.exchange.raw, recording, 'method')
    return new Forwarding(recording)
  }

  /**
   * Refreshes a stale response in the background, in this process or another one, unless a refresh is already running.
   * Returns false if the host does not support background runs.
   */
  refresh(lookup: Lookup<Context>, storageKey: string, stored: StoredResponse, look: Look): boolean {
    const { exchange } = lookup
    if (exchange.refresh === undefined) return false
    if (this.flights.flightTo(storageKey) !== undefined) return true
    if (this.#refreshes.areFull || this.#parts.recentlyRefused.has(storageKey)) return true
    const { key, user } = this.#parts.policy
    // What middleware in front sets may depend on any field, so the refresh must keep all of them.
    const isNamed = key !== undefined || user !== undefined || stored.selecting.some(isFilledInput)
    const isSet = stored.selecting.some((name) => isSetInFront(name, exchange.request))
    const head = refreshRequest(lookup.request, {
      selecting: stored.selecting,
      isNamed: isNamed || isSet || isTurned(lookup.request),
    })
    const request = new Snapshot(head, head.headers)
    const miss: MissReason = { storageKey, fwd: 'stale', reason: 'outlived', stale: undefined }
    const asked = this.answers.asked(lookup, miss, stored, '304')
    const headers = { ...request.headers, ...(asked && preconditions(stored.validators)) }
    const run = exchange.refresh({ headers, protocol: request.protocol, host: request.host })
    if (run === undefined) return false
    const { selecting } = stored
    const flight = this.flights.takeOff(storageKey, this.#cache.mark())
    const end = this.#refreshes.take(run, () => flight.land({ kind: 'refused' }))
    const start = () =>
      this.#startDetached(run, { lookup, miss, flight, asked, request, selecting, isDetached: true }, end)
    const turn = this.#takeTurn(storageKey, look)
    if (turn === undefined) start()
    else void startInTurn(turn, { flight, start, end }, this.#parts.reports)
    return true
  }

  /**
   * Updates the policy of a recorder that was created in front of the framework, now that the framework's request
   * exists.
   */
  adopt(recorder: ResponseRecorder, exchange: Exchange<Context>): void {
    recorder.of.tally.exchange = exchange
    recorder.policy = this.#policies.for(exchange, recorder.policy.storage)
  }

  /** Adds the options of a nested middleware to the recorder of an outer one with the same storage scope. */
  refine(recorder: ResponseRecorder, exchange: Exchange<Context>): void {
    recorder.policy = this.#policies.refined(recorder.policy, exchange)
  }

  #startDetached(run: DetachedRun, of: Run<Context>, end: () => void): void {
    const recorder = this.#recorder(of)
    const introduce = (raw: object) => {
      markRefresh(raw)
      this.#scopes.openAwaited(raw, recorder)
    }
    run.start(introduce, () => {
      end()
      recorder.abort('aborted')
    })
  }

  async #leadInTurn(
    lookup: Lookup<Context>,
    miss: MissReason,
    flight: Flight,
    turn: Promise<Turn<StoredResponse>>,
  ): Promise<Reply | Forwarding | typeof NOTHING> {
    const taken = await turn
    if ('found' in taken) {
      const landing = storedElsewhere(taken.found)
      flight.land(landing)
      lookup.collapsed = true
      return this.answers.after(landing, lookup, miss) ?? this.alone(lookup, miss)
    }
    endTurnAfter(flight, taken)
    if (this.isLeft(lookup)) {
      flight.land({ kind: 'abandoned' })
      return NOTHING
    }
    // Waiting for the turn takes time: take a new mark, so that invalidations up to now do not affect this run.
    return this.#lead({ lookup, miss, flight })
  }

  #lead(run: Run<Context>): Forwarding {
    const { lookup, miss } = run
    const conditions = conditionsOf(lookup.request)
    const asked = miss.stale && this.answers.asked(lookup, miss, miss.stale, '304')
    return this.#forward({ ...run, conditions, asked }, changesFor(conditions, asked?.stored))
  }

  #forward(run: Run<Context>, changes?: FieldChanges): Forwarding {
    const recorder = this.#recorder(run)
    this.#scopes.open(run.lookup.exchange.raw, recorder)
    return new Forwarding(recorder, changes)
  }

  #recorder(run: Run<Context>): ResponseRecorder {
    const { lookup, miss, flight, conditions, asked, writer = this.#writer } = run
    const { key, search, personal, nested, collapsed } = lookup
    const { storageKey, fwd, part } = miss
    const { mark = this.#cache.mark(), request = snapshotOf(lookup.request), selecting } = run
    const sees = seenOf(request)
    const requestedAt = this.#cache.clock.now()
    const onError = this.answers.onError(lookup, miss, undefined)
    const tally = new Tally(this.#parts.reports, lookup.exchange, { result: 'miss', reason: miss.reason })
    if (run.isDetached === true) tally.leave()
    // biome-ignore format: one name a line says no more
    const of: RecordedRequest = {
      request, key, search, storageKey, mark, requestedAt, fwd, collapsed, flight, onError,
      conditions, sees, part, selecting, personal, nested, tally,
    }
    const policy = this.#policies.for(lookup.exchange, lookup.storage)
    const recorder =
      asked === undefined ? new ResponseRecorder(of, policy, writer) : new Revalidation(of, asked, policy, writer)
    request.inputs = recorder.inputs
    return recorder
  }

  #takeTurn(storageKey: string, look: Look): Promise<Turn<StoredResponse>> | undefined {
    return this.#cache.takeTurn(storageKey, look, [], this.#parts.policy.collapseTimeout)
  }
}

/** Whether middleware in front has set a field of a request, perhaps from other fields. */
function isSetInFront(name: string, { headers, lines }: RequestHead): boolean {
  const value = headers[name]
  if (value === undefined || lines === undefined) return false
  return !lines.some((line, at) => at % 2 === 1 && line === value && lines[at - 1]?.toLowerCase() === name)
}

/** Whether middleware in front has rewritten the URL of a request, or begun its answer. */
function isTurned({ rewritten, begun }: RequestHead): boolean {
  return rewritten !== undefined || begun !== undefined
}
