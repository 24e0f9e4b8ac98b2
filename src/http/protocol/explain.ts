import type { CacheEngine } from '../../core/engine.js'
import { asError } from '../../core/errors.js'
import type { Absence } from '../../core/found.js'
import type { Exchange } from '../port/exchange.js'
import { credentialNames } from '../rules/credentials.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { PrimaryKeys } from '../store/primary-key.js'
import type { RecentlyRefused } from '../store/recently-refused.js'
import type { StoredResponses } from '../store/stored-responses.js'
import { askOptions, type DecidedBy, decideByKey, passFor } from './decision.js'
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

/** The parts of a protocol that an explanation asks. */
export interface Explained<Context extends object> {
  readonly cache: CacheEngine
  readonly policy: Policy<Context>
  readonly keys: PrimaryKeys
  readonly responses: StoredResponses
  readonly flights: Flights
  readonly recentlyRefused: RecentlyRefused
  /** From where it looks at a request. */
  readonly standpointFor: (raw: object, method: string) => Standpoint<Context>
}

/** From where a cache looks at a request that other caches may handle as well. */
export interface Standpoint<Context extends object> {
  /** Whether another cache leaves the request to this one; `'unknown'`: the request has met none yet, and others did. */
  readonly nested: boolean | 'unknown'
  /** Whether it is going to decide in place of the cache that has the request. */
  readonly takesOver?: boolean
  /** Asks the cache that has decided for this one; `undefined`: this one decides. */
  readonly decide?: (exchange: () => Exchange<Context>) => Promise<Explanation>
}

/**
 * What a protocol would do with a request, by the very questions that it asks itself. No handler runs, and nothing is
 * counted, stored or moved. Never rejects.
 */
export async function explain<Context extends object>(
  exchange: () => Exchange<Context>,
  of: Explained<Context>,
): Promise<Explanation> {
  const blank: Draft = { request: { method: '', url: '', origin: '' } }
  try {
    const asked = exchange()
    const recording = scopeOf(asked.raw)?.recording
    const recorder = recording && recorderIn(recording)
    const apart = <T>(read: () => T): T => unwatched(recording?.inputs, read)
    const { nested, decide, takesOver } = of.standpointFor(asked.raw, asked.request.method)
    if (decide !== undefined) return await decide(exchange)
    // A cache within another one sees what that one sends on.
    const itself = apart(() => asItCame(asked, takesOver === true ? undefined : recorder))
    return await explainRequest(itself, { ...of, nested, apart, ownFlight: recorder?.of.flight })
  } catch (thrown) {
    return complete({ ...blank, reason: 'fault', fault: asError(thrown).message }, of)
  }
}

interface Explaining<Context extends object> extends Explained<Context> {
  readonly nested: Standpoint<Context>['nested']
  /** Reads without noting it as something that the run of the request has read. */
  readonly apart: <T>(read: () => T) => T
  /** The run of this very request: it does not wait for itself. */
  readonly ownFlight: Flight | undefined
}

/** Only what is read at once: a handler may run beside what is awaited. */
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
    // The URL decides which caches a request meets: those that the stored response has met.
    const seen = await decideAs(false)
    return seen.stored?.isNested === true ? await decideAs(true) : seen
  } catch (thrown) {
    return explained({ ...draft, fault: asError(thrown).message }, passFor(exchange.request, 'fault'), of)
  }
}

/** What decides about requests, looking without a trace; and why the last look found nothing. */
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
    // Whether a response is refreshed early is left to chance.
    cache: { inactive: cache.inactive, clock: cache.clock, isDueEarly: () => false },
    runs: flights.without(ownFlight),
    find: (lookup) => {
      absence = 'nothing'
      return of.responses.findBy(peek, lookup)
    },
  }
  return { by, absence: () => absence }
}

/** A session that cannot be read is a fault only where the protocol reads it. */
function credentialsIn<Context extends object>(exchange: Exchange<Context>, policy: Policy<Context>) {
  const named: Explanation['credentials'] = credentialNames(exchange.request.headers, policy.storage)
  try {
    return isLoggedIn(exchange.user, exchange.session) ? [...named, { kind: 'logged-in', name: '' } as const] : named
  } catch {
    return named
  }
}

/** The exchange with the request's own fields: while its handler runs, its conditions are hidden. And nothing can be done by it. */
function asItCame<Context extends object>(
  exchange: Exchange<Context>,
  recorder: ResponseRecorder | undefined,
): Exchange<Context> {
  const { method, originalMethod, url, rewritten, hasBody, protocol, host, otherOrigin, headers } = exchange.request
  const own = recorder?.of.request.headers ?? { ...headers }
  return {
    request: { method, originalMethod, url, rewritten, hasBody, protocol, host, otherOrigin, headers: own },
    raw: exchange.raw,
    context: exchange.context,
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
