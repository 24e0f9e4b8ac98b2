import type { CacheEngine } from '../../core/engine.js'
import type { Exchange } from '../port/exchange.js'
import type { RequestHead } from '../port/request-head.js'
import type { Reason } from '../rules/reasons.js'
import { mayReuse } from '../rules/reusable.js'
import { refuseRequest } from '../rules/storable.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { PrimaryKeys } from '../store/primary-key.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { FoundVariant } from '../store/variants.js'
import type { Forward } from '../syntax/cache-status.js'
import { asksInOwnUnits } from '../syntax/range.js'
import { buildLookup, type OptionAnswers } from './build-lookup.js'
import type { Flight } from './flight.js'
import type { Lookup } from './lookup.js'
import { askFunctions } from './option-functions.js'
import type { Policy } from './policy.js'

/** The decision about a request. Each kind carries the values needed to carry it out and to explain it. */
export type Decision<Context extends object> = Hit<Context> | Miss<Context> | Pass<Context> | Enter

/** The stored response is sent. */
export interface Hit<Context extends object> {
  readonly kind: 'hit'
  readonly lookup: Lookup<Context>
  readonly found: FoundVariant
  readonly stored: StoredResponse
  /** Epoch ms. */
  readonly now: number
  /** The reason for a background refresh; `undefined` if there is none. */
  readonly refresh: 'stale' | 'early' | undefined
}

/**
 * The handler runs, or the request waits or is refused:
 * - `run`: the handler runs, and requests for the same response wait for it;
 * - `alone`: the handler runs for this request only, because it carries credentials or too many requests are waiting;
 * - `side-by-side`: the handler runs for this request only, because its response is unlikely to be stored, or slow to
 *   end;
 * - `inner`: the handler runs for this request only, because an inner middleware has stored the response, and must
 *   decide about it itself;
 * - `post`: the handler runs for a POST, whose response may be stored for GET; there was no lookup;
 * - `wait`: the request waits for the handler run of another request;
 * - `check`: a HEAD is forwarded to the handler, whose response shows whether the stored response is still valid;
 * - `head`: a HEAD is forwarded to the handler, whose response cannot be stored;
 * - `refuse`: the request is answered with 504, because the client accepts stored responses only (RFC 9111, section
 *   5.2.1.7).
 */
export type Miss<Context extends object> = {
  readonly lookup: Lookup<Context>
  readonly found?: FoundVariant
  readonly miss: MissReason
} & (
  | { readonly kind: 'run' | 'alone' | 'side-by-side' | 'inner' | 'post' | 'head' | 'refuse' }
  | { readonly kind: 'wait'; readonly flight: Flight }
  | { readonly kind: 'check'; readonly stored: StoredResponse }
)

/** The handler runs, and its response is not stored. */
export interface Pass<Context extends object> {
  readonly kind: 'pass'
  readonly reason: Reason
  /** If `'method'`, a successful response invalidates stored responses. */
  readonly fwd: 'method' | 'bypass'
  /** `undefined` if the decision was made before the key was known. */
  readonly lookup?: Lookup<Context>
  readonly found?: FoundVariant
  /** `undefined` if the decision did not depend on the lookup's result. */
  readonly miss?: MissReason
}

/**
 * The decision is left to the application, because middleware that has not run yet sets values that select the stored
 * response.
 */
export interface Enter {
  readonly kind: 'enter'
}

/** The reason why a lookup did not find a usable response. */
export interface MissReason {
  readonly storageKey: string
  readonly fwd: Forward
  readonly reason: Reason
  /** The response that was found but may not be used, except possibly in place of an error. */
  readonly stale: StoredResponse | undefined
  /** The stored response that a partial response (206) of the handler may be combined with. */
  readonly part?: StoredResponse | undefined
}

/** The inputs of a decision. A decision changes none of them. */
export interface DecidedBy<Context extends object> {
  readonly policy: Policy<Context>
  readonly cache: Pick<CacheEngine, 'inactive' | 'clock' | 'isDueEarly'>
  readonly keys: PrimaryKeys
  readonly runs: RunsUnderWay
  /** Looks up the stored response for a request. */
  readonly find: (lookup: Lookup<Context>) => FoundVariant | Promise<FoundVariant>
}

/** The running handlers that a decision depends on. */
export interface RunsUnderWay {
  /** The run that a request may wait for; `undefined` if there is none. */
  flightTo(storageKey: string): Flight | undefined
  /** Whether so many requests are waiting that further ones run the handler themselves. */
  readonly areCrowded: boolean
  /**
   * Whether requests do not wait for the next response of a key, because it is unlikely to be stored, or slow to end.
   */
  isSideBySide(storageKey: string): boolean
}

/**
 * Decides about a request. Returns a promise if option functions, the request's content or the lookup are asynchronous.
 *
 * @param nested - whether another cache of the same request has left the decision to this one
 * @throws errors of the option functions
 */
export function decide<Context extends object>(
  exchange: Exchange<Context>,
  nested: boolean,
  by: DecidedBy<Context>,
): Decision<Context> | Promise<Decision<Context>> {
  const named = askOptions(exchange, by)
  if (named instanceof Promise) return named.then((settled) => decideByKey(exchange, settled, nested, by))
  return decideByKey(exchange, named, nested, by)
}

/** The first half of {@link decide}: checks that need no lookup, and the option functions. */
export function askOptions<Context extends object>(
  exchange: Exchange<Context>,
  { policy, cache }: DecidedBy<Context>,
): OptionAnswers | Pass<Context> | Promise<OptionAnswers | Pass<Context>> {
  const { request } = exchange
  const reason = passedBy(request, policy) ?? cache.inactive
  if (reason !== undefined) return passFor(request, reason)
  const named = askFunctions(policy, exchange, cache.clock)
  if (named instanceof Promise) return named.then((said) => (said === 'skip' ? passFor(request, said) : said))
  return named === 'skip' ? passFor(request, named) : named
}

/** The second half of {@link decide}: builds the key and looks up the stored response. */
export function decideByKey<Context extends object>(
  exchange: Exchange<Context>,
  named: OptionAnswers | Pass<Context>,
  nested: boolean,
  by: DecidedBy<Context>,
): Decision<Context> | Promise<Decision<Context>> {
  if ('kind' in named) return named
  const lookup = buildLookup(exchange, named, nested, by)
  if (lookup instanceof Promise) return lookup.then((made) => begin(exchange.request, made, by))
  return begin(exchange.request, lookup, by)
}

function begin<Context extends object>(
  request: RequestHead,
  lookup: Lookup<Context> | Reason,
  by: DecidedBy<Context>,
): Decision<Context> | Promise<Decision<Context>> {
  if (typeof lookup === 'string') return passFor(request, lookup)
  if (request.method !== 'POST') return look(lookup, by)
  return {
    kind: 'post',
    lookup,
    miss: { storageKey: lookup.key.text, fwd: 'method', reason: 'method', stale: undefined },
  }
}

/** Looks up the stored response, and decides whether it can be used. */
export function look<Context extends object>(
  lookup: Lookup<Context>,
  by: DecidedBy<Context>,
): Decision<Context> | Promise<Decision<Context>> {
  const found = by.find(lookup)
  return found instanceof Promise ? found.then((one) => judge(lookup, one, by)) : judge(lookup, found, by)
}

/** Decides whether the stored response answers a request (RFC 9111, section 4). */
function judge<Context extends object>(
  lookup: Lookup<Context>,
  found: FoundVariant,
  by: DecidedBy<Context>,
): Decision<Context> {
  const { storageKey, stored } = found
  const { exchange, nested } = lookup
  if (found.isUntold === true && exchange.enter !== undefined) return ENTER
  if (stored === undefined) return missed(lookup, found, found.varies ? 'vary-miss' : 'uri-miss', by)
  if (stored.nested !== nested) {
    return { kind: 'inner', lookup, found, miss: { storageKey, fwd: 'uri-miss', reason: 'uri-miss', stale: undefined } }
  }
  const credential = lookup.refusalOf(stored)
  if (credential !== undefined) return { ...passFor(lookup.request, credential), lookup, found }
  const now = by.cache.clock.now()
  if (!lookup.isWithin(stored, now)) return missed(lookup, found, 'outside-part', by)
  const reuse = mayReuse(stored, lookup.directives, now)
  switch (reuse) {
    case 'no-cache':
      return missed(lookup, found, 'unvalidated', by)
    case 'request':
      return missed(lookup, found, 'request', by)
    case 'stale':
      return missed(lookup, found, 'outlived', by)
    case 'stale-while-revalidate':
      if (exchange.refresh === undefined) return missed(lookup, found, 'outlived', by)
      return { kind: 'hit', lookup, found, stored, now, refresh: 'stale' }
    default: {
      // A soft invalidation does not end the lifetime of a response, but it is to be made again at once.
      if (reuse === 'fresh' && found.found?.softened === true) {
        if (exchange.refresh === undefined) return missed(lookup, found, 'outlived', by)
        return { kind: 'hit', lookup, found, stored, now, refresh: 'stale' }
      }
      const isDue = reuse === 'fresh' && by.cache.isDueEarly(stored)
      return { kind: 'hit', lookup, found, stored, now, refresh: isDue ? 'early' : undefined }
    }
  }
}

/** Decides how a request continues that no stored response answers. */
export function missed<Context extends object>(
  lookup: Lookup<Context>,
  found: FoundVariant,
  reason: keyof typeof FORWARD,
  { runs }: DecidedBy<Context>,
): Miss<Context> | Pass<Context> {
  const { request, directives, hasCredentials, storage } = lookup
  const { storageKey, stored } = found
  const fwd = FORWARD[reason]
  const stale = reason === 'outside-part' ? undefined : stored
  const miss = { storageKey, fwd, reason, stale, part: stored }
  if (directives?.onlyIfCached === true) return { kind: 'refuse', lookup, found, miss }
  if (request.method === 'HEAD') {
    if (stale === undefined || hasCredentials) return { kind: 'head', lookup, found, miss }
    return { kind: 'check', lookup, found, miss, stored: stale }
  }
  const refusal = refuseRequest(request, storage)
  if (refusal !== undefined) return { ...passFor(request, refusal), lookup, found, miss }
  if (hasCredentials) return { kind: 'alone', lookup, found, miss: { ...miss, fwd: 'bypass' } }
  const flight = fwd === 'request' || asksInOwnUnits(request.headers) ? undefined : runs.flightTo(storageKey)
  if (flight === undefined) return { kind: runs.isSideBySide(storageKey) ? 'side-by-side' : 'run', lookup, found, miss }
  return runs.areCrowded ? { kind: 'alone', lookup, found, miss } : { kind: 'wait', lookup, found, miss, flight }
}

/** The decision to forward a request that the cache does not handle. */
export function passFor({ method }: RequestHead, reason: Reason): Pass<never> {
  return { kind: 'pass', reason, fwd: reason === 'method' || method === 'POST' ? 'method' : 'bypass' }
}

const ENTER: Enter = { kind: 'enter' }

/** The RFC 9211 `fwd` value for each reason. */
const FORWARD = {
  'uri-miss': 'uri-miss',
  'vary-miss': 'vary-miss',
  'outside-part': 'partial',
  outlived: 'stale',
  unvalidated: 'stale',
  request: 'request',
} as const satisfies Partial<Record<Reason, Forward>>

/** The options that determine which methods a route handles. */
export interface Handled {
  /** Whether stored responses to GET answer HEAD. */
  readonly answersHead: boolean
  readonly storage: Pick<StoragePolicy, 'methods'>
}

/** Whether requests with a method are answered from stored responses, or have their responses stored. */
export function isCached(method: string, { answersHead, storage }: Handled): boolean {
  return method === 'HEAD' ? answersHead : storage.methods.has(method)
}

/** The reason why the cache does not handle a request, judged by its method and body alone; `undefined` if it does. */
function passedBy(request: RequestHead, handled: Handled): 'method' | 'request-body' | undefined {
  const { method, originalMethod } = request
  if (!isCached(method, handled)) return 'method'
  if (originalMethod !== undefined && originalMethod !== method) return 'method'
  return (method === 'GET' || method === 'HEAD') && hasBody(request) ? 'request-body' : undefined
}

/** Whether a GET or HEAD has a body, or announces one. */
function hasBody(request: RequestHead): boolean {
  if (request.hasBody === true) return true
  if (request.isPlain) return false
  const { headers } = request
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}
