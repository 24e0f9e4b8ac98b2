import type { CacheEngine } from '../../core/engine.js'
import type { Exchange, RequestHead } from '../port/exchange.js'
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

/** What is done with a request. Each kind carries what it takes to do it, and to explain it. */
export type Decision<Context extends object> = Hit<Context> | Miss<Context> | Pass<Context> | Enter

/** The stored response is sent. */
export interface Hit<Context extends object> {
  readonly kind: 'hit'
  readonly lookup: Lookup<Context>
  readonly found: FoundVariant
  readonly stored: StoredResponse
  /** Epoch ms. */
  readonly now: number
  /** Why the handler runs in the background as well; `undefined`: it does not. */
  readonly refresh: 'stale' | 'early' | undefined
}

/**
 * The handler is asked, or the request refused:
 * - `run`: the handler runs, and requests for the same response wait for it;
 * - `alone`: the handler runs for this request only, which carries credentials, or too many requests wait;
 * - `side-by-side`: the handler runs for this request only, for its response is not likely to be stored;
 * - `inner`: the same, for a middleware further in has stored the response and has questions of its own to ask first;
 * - `post`: the handler runs for a POST, whose answer may be stored for GET; the store was not asked;
 * - `wait`: the request waits for a handler that runs for another one;
 * - `check`: the client's HEAD goes to the handler, whose answer tells whether the stored response is still right;
 * - `head`: the client's HEAD goes to the handler, whose answer cannot be stored;
 * - `refuse`: there is no answer, for the client takes a stored response only (RFC 9111, section 5.2.1.7).
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

/** The handler runs, and its answer is not stored. */
export interface Pass<Context extends object> {
  readonly kind: 'pass'
  readonly reason: Reason
  /** `'method'`: what is stored is invalidated if the handler succeeds. */
  readonly fwd: 'method' | 'bypass'
  /** `undefined`: it was decided before there was a key. */
  readonly lookup?: Lookup<Context>
  readonly found?: FoundVariant
  /** `undefined`: the store had no say. */
  readonly miss?: MissReason
}

/** The application decides: middleware that has not run yet fills in what selects the stored response. */
export interface Enter {
  readonly kind: 'enter'
}

/** Why a handler is to run. */
export interface MissReason {
  readonly storageKey: string
  readonly fwd: Forward
  readonly reason: Reason
  /** The response that was found and may not be used, except perhaps in place of an error. */
  readonly stale: StoredResponse | undefined
  /** A stored part that was found, and that the handler's answer may add to. */
  readonly part?: StoredResponse | undefined
}

/** What decides. None of it is changed by a decision. */
export interface DecidedBy<Context extends object> {
  readonly policy: Policy<Context>
  readonly cache: Pick<CacheEngine, 'inactive' | 'clock' | 'isDueEarly'>
  readonly keys: PrimaryKeys
  readonly runs: RunsUnderWay
  /** Finds what is stored for a request. */
  readonly find: (lookup: Lookup<Context>) => FoundVariant | Promise<FoundVariant>
}

/** The handlers that are running, as far as other requests go by them. */
export interface RunsUnderWay {
  /** The run that a request may wait for. */
  flightTo(storageKey: string): Flight | undefined
  /** Whether so many requests wait for handlers that one more runs its own. */
  readonly areCrowded: boolean
  /** Whether no request is to wait for the next response: it is not likely to be stored, or slow to end. */
  isSideBySide(storageKey: string): boolean
}

/**
 * Decides about a request. A promise where functions among the options, the content of the request or the store have to be awaited.
 *
 * @param nested - whether another cache of the same request has left the work to this one
 * @throws what functions among the options throw
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

/** The first half of {@link decide}: what is known without the store, and what the options say of the request. */
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

/** The second half of {@link decide}. */
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

/** Looks into the store, and decides by what is found. */
export function look<Context extends object>(
  lookup: Lookup<Context>,
  by: DecidedBy<Context>,
): Decision<Context> | Promise<Decision<Context>> {
  const found = by.find(lookup)
  return found instanceof Promise ? found.then((one) => judge(lookup, one, by)) : judge(lookup, found, by)
}

/** Whether what was found answers a request, and if not, why not (RFC 9111, section 4). */
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
      const isDue = reuse === 'fresh' && by.cache.isDueEarly(stored.staleAt, stored.cost)
      return { kind: 'hit', lookup, found, stored, now, refresh: isDue ? 'early' : undefined }
    }
  }
}

/** How a request goes on that the store does not answer. */
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
  const miss = { storageKey, fwd, reason, stale, part: stored?.status === 206 ? stored : undefined }
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

/** The decision for a request that the cache has no part in. */
export function passFor({ method }: RequestHead, reason: Reason): Pass<never> {
  return { kind: 'pass', reason, fwd: reason === 'method' || method === 'POST' ? 'method' : 'bypass' }
}

const ENTER: Enter = { kind: 'enter' }

/** Why the store does not answer a request, in the words of RFC 9211. */
const FORWARD = {
  'uri-miss': 'uri-miss',
  'vary-miss': 'vary-miss',
  'outside-part': 'partial',
  outlived: 'stale',
  unvalidated: 'stale',
  request: 'request',
} as const satisfies Partial<Record<Reason, Forward>>

/** What a route handles at all. */
export interface Handled {
  /** Whether HEAD is answered from what is stored for GET. */
  readonly answersHead: boolean
  readonly storage: Pick<StoragePolicy, 'methods'>
}

/** Whether requests of a method are answered from the store, or what they are answered may be stored. */
export function isCached(method: string, { answersHead, storage }: Handled): boolean {
  return method === 'HEAD' ? answersHead : storage.methods.has(method)
}

/** Why a request is none that the cache handles, judged by its method and body alone; `undefined`: it is. */
function passedBy(request: RequestHead, handled: Handled): 'method' | 'request-body' | undefined {
  const { method, originalMethod } = request
  if (!isCached(method, handled)) return 'method'
  if (originalMethod !== undefined && originalMethod !== method) return 'method'
  return (method === 'GET' || method === 'HEAD') && hasBody(request) ? 'request-body' : undefined
}

/** Whether a GET or HEAD comes with a body, be it announced only. */
function hasBody(request: RequestHead): boolean {
  if (request.hasBody === true) return true
  if (request.isPlain) return false
  const { headers } = request
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}
