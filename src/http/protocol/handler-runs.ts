import type { Turn } from '../../core/coherence/shared-turns.js'
import type { CacheEngine } from '../../core/engine.js'
import type { RunMark } from '../../core/mark.js'
import type { Exchange, FieldChanges, Recording, Reply, RequestHead } from '../port/exchange.js'
import { markRefresh } from '../port/refresh-mark.js'
import { preconditions, SELECTIVE_FIELDS, VALIDATING_FIELDS } from '../rules/conditional.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import { isForSeveral, mayReuseOnError } from '../rules/reusable.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { RecentlyRefused } from '../store/recently-refused.js'
import { representationFor } from '../store/representation.js'
import { CACHE_NAME, type StoredResponse } from '../store/stored-response.js'
import { type CacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import type { Fields, FieldValue } from '../syntax/fields.js'
import { answerFromStore } from './answer.js'
import type { MissReason, RunsUnderWay } from './decision.js'
import { Flight, type Landing } from './flight.js'
import type { Lookup } from './lookup.js'
import { type Policy, storageScopeOf } from './policy.js'
import { PostAnswer, PostTarget } from './post-answer.js'
import type { Asked, RecordedRequest, RecorderPolicy, RecorderTarget } from './recorded-request.js'
import { refreshRequest } from './refresh-request.js'
import { Refreshes } from './refreshes.js'
import { ResponseRecorder } from './response-recorder.js'
import type { ResponseWriter } from './response-writer.js'
import type { Retiring } from './retiring.js'
import { openScope } from './scope.js'

/** What a request is forwarded with. */
export class Forwarding {
  readonly recording: Recording
  readonly changes: FieldChanges | undefined

  constructor(recording: Recording, changes?: FieldChanges) {
    this.recording = recording
    this.changes = changes
  }
}

/** Looks whether a response that a request may use has been stored. */
export type Look = () => StoredResponse | undefined | Promise<StoredResponse | undefined>

/** So many requests wait for handlers that run for others. */
const MAX_WAITING = 10_000

/** How long requests of a key go on side by side after its body was slow to end, in milliseconds. */
const SLOW_FOR = 10_000

/**
 * The runs of handlers: one for a request, one for several that wait for the same response (single flight), or one in the
 * background for none.
 */
export class HandlerRuns<Context extends object> implements RunsUnderWay {
  readonly #cache: CacheEngine
  readonly #policy: Policy<Context>
  readonly #storageScope: readonly unknown[]
  readonly #writer: ResponseWriter
  readonly #recentlyRefused: RecentlyRefused
  readonly #flights = new Map<string, Flight>()
  readonly #refreshes: Refreshes
  readonly #plainPolicies = new Map<StoragePolicy, RecorderPolicy>()

  constructor(policy: Policy<Context>, writer: ResponseWriter, recentlyRefused: RecentlyRefused) {
    this.#cache = policy.engine
    this.#policy = policy
    this.#storageScope = storageScopeOf(policy)
    this.#writer = writer
    this.#recentlyRefused = recentlyRefused
    this.#refreshes = new Refreshes(policy.engine.clock, policy.engine.gauges, {
      slotFor: policy.collapseTimeout,
      runFor: policy.engine.maxHandlerTime,
    })
  }

  get areCrowded(): boolean {
    return this.#cache.gauges.waiting >= MAX_WAITING
  }

  /** One that began after all that was invalidated since. */
  flightTo(storageKey: string): Flight | undefined {
    const flight = this.#flights.get(storageKey)
    if (flight === undefined || flight.isOverdue) return undefined
    return this.#cache.isInvalidated(storageKey, [], flight.mark) ? undefined : flight
  }

  /**
   * Runs the handler, so that others may wait for it where that makes sense: requests here, and those of other processes.
   *
   * @param look - looks whether another process has stored a response meanwhile
   */
  lead(lookup: Lookup<Context>, miss: MissReason, owner: object, look: Look): Forwarding | Promise<Reply | Forwarding> {
    const mark = this.#cache.mark()
    // What it is answered may be for nobody else.
    if (seenOf(lookup.request) !== undefined) return this.#run(lookup, miss, owner, mark, undefined)
    const flight = this.#takeOff(miss.storageKey, mark)
    const turn = this.#cache.takeTurn(miss.storageKey, look, [], this.#policy.collapseTimeout)
    if (turn !== undefined) return this.#leadInTurn(lookup, miss, owner, flight, turn)
    return this.#run(lookup, miss, owner, mark, flight)
  }

  isSideBySide(storageKey: string): boolean {
    return this.#flights.get(storageKey)?.isSlow === true || this.#recentlyRefused.has(storageKey)
  }

  /** The same runs without one of them, as its own request sees them. */
  without(own: Flight | undefined): RunsUnderWay {
    return {
      flightTo: (storageKey) => {
        const flight = this.flightTo(storageKey)
        return flight === own ? undefined : flight
      },
      areCrowded: this.areCrowded,
      isSideBySide: (storageKey) => {
        return own !== undefined && this.#flights.get(storageKey) === own
          ? this.#recentlyRefused.has(storageKey)
          : this.isSideBySide(storageKey)
      },
    }
  }

  /** Runs the handler for this request only; it sees the client's own conditions. */
  alone(lookup: Lookup<Context>, miss: MissReason, owner: object): Forwarding {
    const recorder = this.#record(lookup, miss, this.#cache.mark(), undefined, undefined, undefined)
    return this.#forward(lookup, owner, recorder, undefined)
  }

  /** Runs the handler for a HEAD, which tells whether the stored response to GET is still right. */
  check(lookup: Lookup<Context>, miss: MissReason, stored: StoredResponse, owner: object): Forwarding {
    const asked = this.#asked(lookup, miss, stored, 'HEAD')
    const recorder = this.#record(lookup, miss, this.#cache.mark(), undefined, undefined, asked)
    return this.#forward(lookup, owner, recorder, undefined)
  }

  /** Runs the handler for a POST, whose answer may be stored for GET. */
  post(lookup: Lookup<Context>, miss: MissReason, retiring: readonly Retiring[], owner: object): Forwarding {
    const { request, exchange } = lookup
    const target = new PostTarget(this.#cache, this.#writer)
    const recorder = this.#record(lookup, miss, this.#cache.mark(), undefined, undefined, undefined, target)
    const recording = new PostAnswer(recorder, target, request, retiring, (thrown) => target.fault(thrown))
    openScope(exchange.raw, { owner, storageScope: this.#storageScope, bypass: 'method', recording, isAwaited: false })
    return new Forwarding(recording)
  }

  /** The answer to a request that waited, out of what the run brought; `undefined`: none. */
  answerAfter(lookup: Lookup<Context>, miss: MissReason, landing: Landing): Reply | undefined {
    if (landing.kind === 'failed') return this.#onError(lookup, miss, true)?.(undefined)
    if (landing.kind !== 'stored') return undefined
    const { stored } = landing
    const now = this.#cache.clock.now()
    if (!lookup.mayUse(stored, now)) return undefined
    if (!isForSeveral(stored, this.#cache.clock.now())) return undefined
    this.#cache.counters.collapsed += 1
    const { fwd } = miss
    const status = () =>
      this.#member(lookup, { fwd, fwdStatus: stored.status, collapsed: true, ttl: stored.lifetimeLeft(now) })
    const shown = representationFor(stored, lookup.request, now)
    const { cacheStatus } = this.#policy
    // With its key, each may have a status of its own.
    const whole =
      cacheStatus === 'debug'
        ? shown.answer(shown.list, now, status())
        : shown.asCollapsed(now, cacheStatus ? fwd : undefined, status)
    return answerFromStore(lookup.exchange, shown, whole, now, lookup.storage.answersAsOrigin)
  }

  /**
   * Has a stale response made again in the background, by this process or another one, unless that is under way; false
   * when this host cannot.
   *
   * @param look - looks whether another process has stored a newer response
   */
  refresh(lookup: Lookup<Context>, storageKey: string, stored: StoredResponse, owner: object, look: Look): boolean {
    const { exchange } = lookup
    if (exchange.refresh === undefined) return false
    if (this.flightTo(storageKey) !== undefined) return true
    if (this.#refreshes.areFull || this.#recentlyRefused.has(storageKey)) return true
    const { key, user } = this.#policy
    // What middleware fills in it makes of fields that are not known here.
    const isNamed = key !== undefined || user !== undefined || stored.selecting.some(isFilledInput)
    const request = refreshRequest(lookup.request, { selecting: stored.selecting, isNamed })
    const miss: MissReason = { storageKey, fwd: 'stale', reason: 'outlived', stale: undefined }
    const asked = this.#asked(lookup, miss, stored, '304')
    const headers = { ...request.headers, ...(asked && preconditions(stored.validators)) }
    const { protocol, host } = request
    const run = exchange.refresh({ headers, protocol, host })
    if (run === undefined) return false
    const flight = this.#takeOff(storageKey, this.#cache.mark())
    const end = this.#refreshes.take(run, () => flight.land({ kind: 'refused' }))
    const start = () => {
      const recorder = this.#record(lookup, miss, this.#cache.mark(), flight, undefined, asked, this.#writer, request)
      const scope = { owner, storageScope: this.#storageScope, bypass: undefined, recording: recorder, isAwaited: true }
      const introduce = (raw: object) => {
        markRefresh(raw)
        openScope(raw, scope)
      }
      run.start(introduce, () => {
        end()
        recorder.abort('aborted')
      })
    }
    const turn = this.#cache.takeTurn(storageKey, look, [], this.#policy.collapseTimeout)
    if (turn === undefined) start()
    else void this.#refreshInTurn(flight, turn, start, end)
    return true
  }

  async #refreshInTurn(
    flight: Flight,
    turn: Promise<Turn<StoredResponse>>,
    start: () => void,
    end: () => void,
  ): Promise<void> {
    try {
      const taken = await turn
      if ('found' in taken) {
        end()
        flight.land({ kind: 'stored', stored: taken.found, written: Promise.resolve(true) })
        return
      }
      endTurnAfter(flight, taken)
      start()
    } catch (thrown) {
      end()
      this.#writer.fault(thrown)
      flight.land({ kind: 'refused' })
    }
  }

  /** Gives a recording that was begun ahead of its middleware the request as the framework has it. */
  adopt(recorder: ResponseRecorder, exchange: Exchange<Context>): void {
    recorder.policy = this.#recorderPolicy(exchange, recorder.policy.storage)
  }

  /** Adds what a nested middleware says to the recorder of an outer one of the same storage scope. */
  refine(recorder: ResponseRecorder, exchange: Exchange<Context>): void {
    const own = this.#recorderPolicy(exchange, this.#policy.storage)
    const outer = recorder.policy
    const keyedFields = [...outer.storage.keyedFields, ...own.storage.keyedFields]
    recorder.policy = {
      ...own,
      storage: { ...own.storage, ttl: own.storage.ttl ?? outer.storage.ttl, keyedFields },
      vary: [...new Set([...outer.vary, ...own.vary])],
      maxVariants: outer.maxVariants === undefined ? undefined : own.maxVariants,
      tags: [...outer.tags, ...own.tags],
      cacheIf: own.cacheIf ?? outer.cacheIf,
      precompress: own.precompress ?? outer.precompress,
      inputs: own.inputs && outer.inputs,
      filledNames: [...new Set([...outer.filledNames, ...own.filledNames])],
    }
  }

  /** While a body streams that nobody can wait for, no request waits for the next one either. Storing it ends that. */
  noteSlowness(storageKey: string): void {
    if (this.#flights.get(storageKey)?.isSlow === true) this.#recentlyRefused.add(storageKey, SLOW_FOR)
  }

  async #leadInTurn(
    lookup: Lookup<Context>,
    miss: MissReason,
    owner: object,
    flight: Flight,
    turn: Promise<Turn<StoredResponse>>,
  ): Promise<Reply | Forwarding> {
    const taken = await turn
    if ('found' in taken) {
      const landing: Landing = { kind: 'stored', stored: taken.found, written: Promise.resolve(true) }
      flight.land(landing)
      lookup.collapsed = true
      return this.answerAfter(lookup, miss, landing) ?? this.alone(lookup, miss, owner)
    }
    endTurnAfter(flight, taken)
    // Waiting may have taken a while: what the handler makes now has seen all that was invalidated meanwhile.
    return this.#run(lookup, miss, owner, this.#cache.mark(), flight)
  }

  #run(
    lookup: Lookup<Context>,
    miss: MissReason,
    owner: object,
    mark: RunMark,
    flight: Flight | undefined,
  ): Forwarding {
    const conditions = conditionsOf(lookup.request)
    const asked = miss.stale && this.#asked(lookup, miss, miss.stale, '304')
    const recorder = this.#record(lookup, miss, mark, flight, conditions, asked)
    return this.#forward(lookup, owner, recorder, changesFor(conditions, asked))
  }

  #forward(
    { exchange }: Lookup<Context>,
    owner: object,
    recording: ResponseRecorder,
    changes: FieldChanges | undefined,
  ) {
    openScope(exchange.raw, { owner, storageScope: this.#storageScope, bypass: undefined, recording, isAwaited: false })
    return new Forwarding(recording, changes)
  }

  #record(
    lookup: Lookup<Context>,
    miss: MissReason,
    mark: RunMark,
    flight: Flight | undefined,
    conditions: Fields | undefined,
    asked: Asked | undefined,
    target: RecorderTarget = this.#writer,
    request: Snapshot = snapshotOf(lookup.request),
  ): ResponseRecorder {
    const { key, search, personal, nested, collapsed } = lookup
    const { storageKey, fwd, part } = miss
    const sees = seenOf(request)
    const requestedAt = this.#cache.clock.now()
    const onError = this.#onError(lookup, miss, undefined)
    const recorder = new ResponseRecorder(
      // biome-ignore format: one name a line says no more
      {
        request, key, search, storageKey, mark, requestedAt, fwd, collapsed, flight, onError,
        conditions, sees, asked, part, personal, nested,
      },
      this.#recorderPolicy(lookup.exchange, lookup.storage),
      target,
    )
    const { inputs } = recorder
    if (inputs !== undefined) request.filled = (input) => inputs.filledBy?.(input)
    return recorder
  }

  /** A stored response to ask the handler about; `undefined` when it has no validator to ask by (RFC 9111, section 4.3.1). */
  #asked(lookup: Lookup<Context>, miss: MissReason, stored: StoredResponse, by: Asked['by']): Asked | undefined {
    if (by === '304' && !isAskable(stored)) return undefined
    const asItCame = requestOf(lookup)
    return {
      stored,
      by,
      answer: (updated, outcome) => {
        const now = this.#cache.clock.now()
        const ttl = outcome.detail === undefined ? updated.lifetimeLeft(now) : undefined
        return this.#answer(lookup, updated, now, { fwd: miss.fwd, fwdStatus: 304, ttl, ...outcome }, asItCame)
      },
    }
  }

  #recorderPolicy(exchange: Exchange<Context>, storage: StoragePolicy): RecorderPolicy {
    const { tags, cacheIf } = this.#policy
    const plain = this.#plainPolicies.get(storage) ?? this.#plainPolicy(storage)
    if (tags === undefined && cacheIf === undefined) return plain
    const named = tags === undefined ? [] : [() => (typeof tags === 'function' ? tags(exchange.context) : tags)]
    return { ...plain, tags: named, cacheIf: cacheIf && ((response) => cacheIf(response, exchange.context)) }
  }

  /** What all recorders of a storage policy have in common. */
  #plainPolicy(storage: StoragePolicy): RecorderPolicy {
    const { vary, exactVary, maxVariants, dropPerRun, cacheStatus, precompress, inputs, query } = this.#policy
    const keyedParameters = typeof query === 'string' ? undefined : query
    const plain: RecorderPolicy = {
      ...{ storage, vary, exactVary, maxVariants, dropPerRun, cacheStatus, precompress, inputs, keyedParameters },
      filledNames: vary.filter(isFilledInput),
      tags: [],
      cacheIf: undefined,
      patience: this.#policy.collapseTimeout,
    }
    this.#plainPolicies.set(storage, plain)
    return plain
  }

  #takeOff(storageKey: string, mark: RunMark): Flight {
    const onLanding = ({ kind }: Landing) => {
      if (kind === 'refused') this.noteSlowness(storageKey)
      if (this.#flights.get(storageKey) === flight) this.#flights.delete(storageKey)
    }
    const { clock, gauges } = this.#cache
    const flight = new Flight(mark, clock, this.#policy.collapseTimeout, onLanding, gauges)
    this.#flights.set(storageKey, flight)
    return flight
  }

  /** What to send in place of an error, if there is a stale response that may be (RFC 5861, section 4). */
  #onError(lookup: Lookup<Context>, { stale }: MissReason, collapsed: boolean | undefined) {
    if (stale === undefined) return undefined
    const asItCame = requestOf(lookup)
    return (fwdStatus: number | undefined): Reply | undefined => {
      const now = this.#cache.clock.now()
      if (!mayReuseOnError(stale, lookup.directives, now)) return undefined
      this.#cache.counters.stale += 1
      const ttl = stale.lifetimeLeft(now)
      const status = { fwd: 'stale', fwdStatus, collapsed, ttl, detail: 'stale-if-error' } as const
      return this.#answer(lookup, stale, now, status, asItCame)
    }
  }

  #answer(
    lookup: Lookup<Context>,
    stored: StoredResponse,
    now: number,
    status: CacheStatus,
    asItCame?: Pick<RequestHead, 'method' | 'headers'>,
  ): Reply {
    const shown = representationFor(stored, asItCame ?? lookup.request, now)
    const whole = shown.answer(shown.list, now, this.#member(lookup, status))
    return answerFromStore(lookup.exchange, shown, whole, now, lookup.storage.answersAsOrigin, asItCame)
  }

  /** Our member of Cache-Status; `undefined`: none is wanted. */
  #member(lookup: Lookup<Context>, status: CacheStatus): string | undefined {
    const { cacheStatus } = this.#policy
    if (cacheStatus === false) return undefined
    const key = cacheStatus === 'debug' ? lookup.key.text : undefined
    return cacheStatusMember(CACHE_NAME, { ...status, key })
  }
}

/** Lets another process have the turn once this run has ended: if its response was stored, once Redis has it. */
function endTurnAfter(flight: Flight, turn: { readonly end: (stored: boolean) => void }): void {
  flight.afterwards((landing) => {
    if (landing.kind !== 'stored') return turn.end(landing.kind === 'abandoned')
    void landing.written.then((isWritten) => turn.end(isWritten))
  })
}

/** What the client asked for, whatever fields the handler is going to be run with. */
function requestOf({ request }: { readonly request: RequestHead }): Pick<RequestHead, 'method' | 'headers'> {
  return { method: request.method, headers: { ...request.headers } }
}

/** What of a request is for its handler to understand: see {@link RecordedRequest.sees}. */
function seenOf({ method, headers }: RequestHead): RecordedRequest['sees'] {
  if (method === 'POST') return undefined
  if (headers.range !== undefined) return 'range'
  return SELECTIVE_FIELDS.some((name) => headers[name] !== undefined) ? 'version' : undefined
}

/** The request's own conditions that the cache evaluates; `undefined` when there are none. */
function conditionsOf(request: RequestHead): Fields | undefined {
  let conditions: Record<string, FieldValue> | undefined
  for (const name of VALIDATING_FIELDS) {
    const value = request.headers[name]
    if (value === undefined) continue
    conditions ??= {}
    conditions[name] = value
  }
  return conditions
}

/** Whether the handler can be asked about a stored response. A 304 says nothing about a part: whether the rest is still the same is not known. */
function isAskable(stored: StoredResponse): boolean {
  return stored.status !== 206 && preconditions(stored.validators) !== undefined
}

/** The fields that a request is sent on with when others may wait for its response; `undefined`: as they came. */
export function changesOf(request: RequestHead, stale: StoredResponse | undefined): FieldChanges | undefined {
  return changesFor(conditionsOf(request), stale !== undefined && isAskable(stale) ? { stored: stale } : undefined)
}

/** What a request is sent on with: without these of the client's conditions, and with ours (RFC 9111, section 4.3.1). */
function changesFor(
  conditions: Fields | undefined,
  asked: Pick<Asked, 'stored'> | undefined,
): FieldChanges | undefined {
  if (conditions === undefined && asked === undefined) return undefined
  const hidden = Object.keys(conditions ?? {}).map((name) => [name, undefined] as const)
  return { ...Object.fromEntries(hidden), ...(asked && preconditions(asked.stored.validators)) }
}

/** A request that a run keeps. */
type Snapshot = RequestHead & { filled?: RequestHead['filled'] }

/**
 * A request as it came. What the application makes of it (proxies delete credentials before they send it on, others set
 * a language) must not decide whom its response is for; and when a background run ends, the request may long be gone.
 */
function snapshotOf({ method, originalMethod, url, protocol, host, headers }: RequestHead): Snapshot {
  return { method: method === 'HEAD' ? 'GET' : method, originalMethod, url, protocol, host, headers: { ...headers } }
}
