import type { CacheEngine } from '../../core/engine.js'
import { asError } from '../../core/errors.js'
import type { Absence } from '../../core/found.js'
import type { Exchange } from '../port/exchange.js'
import type { Recording } from '../port/recording.js'
import type { RequestHead } from '../port/request-head.js'
import { VALIDATING_FIELDS } from '../rules/conditional.js'
import { credentialNames } from '../rules/credentials.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { PrimaryKeys } from '../store/primary-key.js'
import type { RecentlyRefused } from '../store/recently-refused.js'
import type { StoredResponses } from '../store/stored-responses.js'
import { askOptions, type DecidedBy, decideByKey, passFor } from './decision.js'
import { DESCRIBING, type ExplainedExchange } from './described-request.js'
import { complete, type Draft, explained } from './explained-decision.js'
import { explainedKey, seenIn } from './explained-parts.js'
import type { Explanation } from './explanation.js'
import type { Flight } from './flight.js'
import type { Flights } from './flights.js'
import { isLoggedIn } from './personal.js'
import type { Policy } from './policy.js'
import { recorderIn } from './post-answer.js'
import type { ResponseRecorder } from './response-recorder.js'
import { scopeOf } from './scope.js'

/** The parts of a protocol that an explanation uses. */
export interface Explained<Context extends object> {
  readonly cache: CacheEngine
  readonly policy: Policy<Context>
  readonly keys: PrimaryKeys
  readonly responses: StoredResponses
  readonly flights: Flights
  readonly recentlyRefused: RecentlyRefused
  /** Finds the position of this cache among those that handle a request. */
  readonly standpointFor: (raw: object, method: string) => Standpoint<Context>
}

/** The position of a cache among the caches that handle the same request. */
export interface Standpoint<Context extends object> {
  /**
   * Whether an outer cache leaves the request to this one; `'unknown'` if this request has not met a cache yet, but
   * earlier requests were left to this one.
   */
  readonly nested: boolean | 'unknown'
  /** Whether this cache would decide instead of the cache that currently handles the request. */
  readonly takesOver?: boolean
  /** Explains through the cache that has decided for this one; `undefined` if this one decides. */
  readonly decide?: (exchange: ExplainedExchange<Context>) => Promise<Explanation>
}

/**
 * Explains what the protocol would do with a request, using the protocol's own decision functions. No handler runs, and
 * nothing is counted, stored or moved. Never rejects.
 */
export async function explain<Context extends object>(
  exchange: ExplainedExchange<Context>,
  of: Explained<Context>,
): Promise<Explanation> {
  const blank: Draft = { request: { method: '', url: '', origin: '' } }
  try {
    const asked = exchange(DESCRIBING)
    const recording = scopeOf(asked.raw)?.recording
    const recorder = recording && recorderIn(recording)
    const apart = <T>(read: () => T): T => unwatched(recording?.inputs, read)
    const { nested, decide, takesOver } = of.standpointFor(asked.raw, asked.request.method)
    if (decide !== undefined) return await decide(exchange)
    const itself = apart(() => (takesOver === true ? asTakenOver(asked, recording) : asItCame(asked, recorder)))
    return await explainRequest(itself, { ...of, nested, apart, ownFlight: recorder?.of.flight })
  } catch (thrown) {
    return complete({ ...blank, reason: 'fault', fault: asError(thrown).message }, of)
  }
}

interface Explaining<Context extends object> extends Explained<Context> {
  readonly nested: Standpoint<Context>['nested']
  /** Reads values without recording them as inputs of the request's run. */
  readonly apart: <T>(read: () => T) => T
  /** The run of this same request, which does not wait for itself. */
  readonly ownFlight: Flight | undefined
}

/** Pauses observation during synchronous reads only, because a handler may run while promises are awaited. */
function unwatched<T>(inputs: InputsRead | undefined, read: () => T): T {
  inputs?.pause()
  try {
    return read()
  } finally {
    inputs?.resume()
  }
}

async function explainRequest<Context extends object>(
  exchange: Exchange<Context>,
  of: Explaining<Context>,
): Promise<Explanation> {
  const { method, url, protocol, host } = exchange.request
  const draft: Draft = {
    request: { method, url, origin: `${protocol}://${host.toLowerCase()}` },
    credentials: of.apart(() => credentialsIn(exchange, of.policy)),
  }
  const { by, absence } = withoutTrace(of)
  try {
    const named = await of.apart(() => askOptions(exchange, by))
    const decideAs = async (nested: boolean) => {
      const decision = await of.apart(() => decideByKey(exchange, named, nested, by))
      const { lookup } = decision.kind === 'enter' ? {} : decision
      if (lookup === undefined) return explained(draft, decision, of)
      const found = 'found' in decision ? decision.found : await by.find(lookup)
      const seen = found && seenIn(found, lookup, by.cache.clock.now())
      const isRefined = 'extra' in named && named.extra !== ''
      const looked = {
        key: explainedKey(lookup, isRefined, of.policy),
        stored: seen,
        absence: seen === undefined ? absence() : undefined,
        refused: found && of.recentlyRefused.last(found.storageKey),
      }
      return explained({ ...draft, ...looked }, decision, of)
    }
    if (of.nested !== 'unknown') return await decideAs(of.nested)
    // The URL decides which caches a request meets, so the stored response shows whether this one is nested.
    const seen = await decideAs(false)
    return seen.stored?.isNested === true ? await decideAs(true) : seen
  } catch (thrown) {
    return explained({ ...draft, fault: asError(thrown).message }, passFor(exchange.request, 'fault'), of)
  }
}

/** Decision inputs whose lookups leave no trace; also returns why the last lookup found nothing. */
function withoutTrace<Context extends object>({ policy, keys, cache, flights, ownFlight, ...of }: Explaining<Context>) {
  let absence: Absence = 'nothing'
  const peek = async (key: string) => {
    const seen = await cache.peek(key)
    if (typeof seen === 'object') return seen
    if (seen !== 'nothing') absence = seen
    return undefined
  }
  const by: DecidedBy<Context> = {
    policy,
    keys,
    // Early refreshes are random, so an explanation leaves them out.
    cache: { inactive: cache.inactive, clock: cache.clock, isDueEarly: () => false },
    runs: flights.without(ownFlight),
    find: (lookup) => {
      absence = 'nothing'
      return of.responses.findBy(peek, lookup)
    },
  }
  return { by, absence: () => absence }
}

/**
 * The names of the request's credentials. A session that throws when read is ignored here: it is a fault only if the
 * protocol reads it.
 */
function credentialsIn<Context extends object>(exchange: Exchange<Context>, policy: Policy<Context>) {
  const named: Explanation['credentials'] = credentialNames(exchange.request.headers, policy.storage)
  try {
    return isLoggedIn(exchange.user, exchange.session) ? [...named, { kind: 'logged-in', name: '' } as const] : named
  } catch {
    return named
  }
}

/** A nested cache sees the fields that the outer one forwards, and the conditions that this one has hidden. */
function asTakenOver<Context extends object>(
  exchange: Exchange<Context>,
  recording: Recording | undefined,
): Exchange<Context> {
  const { headers } = exchange.request
  const asked = recording?.restore && recorderIn(recording)?.of.request.headers
  const conditions = asked && Object.fromEntries(VALIDATING_FIELDS.map((name) => [name, asked[name]]))
  return asItCame(exchange, undefined, { ...headers, ...conditions })
}

/**
 * A copy of the exchange that cannot send anything, with the request's original fields, because conditions are hidden
 * while the handler runs.
 */
function asItCame<Context extends object>(
  exchange: Exchange<Context>,
  recorder: ResponseRecorder | undefined,
  own: RequestHead['headers'] = recorder?.of.request.headers ?? { ...exchange.request.headers },
): Exchange<Context> {
  const { method, originalMethod, url, rewritten, hasBody, protocol, host, otherOrigin } = exchange.request
  const { begun } = recorder?.of.request ?? exchange.request
  const filled = (input: string) => (recorder?.of.request ?? exchange.request).filled?.(input)
  return {
    request: {
      method,
      originalMethod,
      url,
      rewritten,
      hasBody,
      protocol,
      host,
      otherOrigin,
      begun,
      headers: own,
      filled,
    },
    raw: exchange.raw,
    context: exchange.context,
    isClosed: false,
    get user() {
      return exchange.user
    },
    get session() {
      return exchange.session
    },
    field: (name) => exchange.field(name),
    readContent: (limit) => exchange.readContent?.(limit) ?? 'consumed',
    reply: () => {},
    forward: () => {},
    ...(exchange.refresh === undefined ? {} : { refresh: () => undefined }),
  }
}
