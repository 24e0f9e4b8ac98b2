import { shown } from '../../core/option-checks.js'
import type { Exchange } from '../port/exchange.js'
import { contentDigest, MAX_CONTENT, type RequestContent, UNKNOWN_CONTENT } from '../port/request-content.js'
import type { RequestHead } from '../port/request-head.js'
import { ANSWERED, CONTRADICTORY } from '../rules/origin.js'
import type { Reason } from '../rules/reasons.js'
import { requestControl } from '../rules/reusable.js'
import { searchKeys } from '../store/no-vary-search-index.js'
import type { PrimaryKey, PrimaryKeys } from '../store/primary-key.js'
import { type CacheControl, NO_DIRECTIVES } from '../syntax/cache-control.js'
import { Lookup } from './lookup.js'
import { isLoggedIn } from './personal.js'
import type { Policy } from './policy.js'

/** The results of the route's option functions for one request. */
export interface OptionAnswers {
  /** The values added to the key, joined unambiguously; `''` if there are none. */
  readonly extra: string
  /** Whether the key names the user. */
  readonly personal: boolean
  /** Whether `allowRefresh` permits this client to refresh the response. */
  readonly refreshes: boolean
}

/** The result for a route without option functions. */
export const NO_ANSWERS: OptionAnswers = { extra: '', personal: false, refreshes: false }

/**
 * Combines the return values of the `key`, `user` and `allowRefresh` options.
 *
 * @throws TypeError if `key` or `user` returned a value of an unsupported type
 */
export function optionAnswers<Context extends object>(
  policy: Policy<Context>,
  key: unknown,
  user: unknown,
  allowsRefresh?: unknown,
): OptionAnswers {
  const named = policy.key === undefined ? undefined : keyText(key)
  const personal = isSomebody(user)
  const extra = JSON.stringify([named, personal ? String(user) : undefined])
  return { extra: named === undefined && !personal ? '' : extra, personal, refreshes: allowsRefresh === true }
}

/**
 * Builds the lookup for a request, or returns the reason why it cannot be looked up. Returns a promise if the request's
 * content is part of the key.
 */
export function buildLookup<Context extends object>(
  exchange: Exchange<Context>,
  { extra, personal, refreshes }: OptionAnswers,
  nested: boolean,
  { policy, keys }: { readonly policy: Policy<Context>; readonly keys: PrimaryKeys },
): Lookup<Context> | Reason | Promise<Lookup<Context> | Reason> {
  const { request } = exchange
  if (request.otherOrigin === CONTRADICTORY) return 'target'
  if (request.begun === ANSWERED) return 'unanswered'
  const whole = wholeExtra(request, extra)
  const under = (key: PrimaryKey | undefined, digest: string | undefined): Lookup<Context> | Reason => {
    if (key === undefined) return 'target'
    const storage = personal ? policy.personalStorage : policy.storage
    // The handler knows the user, and might produce a different page than for anonymous visitors.
    const isKnown = !personal && !storage.reuseForCredentials && isLoggedIn(exchange.user, exchange.session)
    const search = policy.noVarySearch ? searchKeys(keys, key, { request, extra: whole, content: digest }) : undefined
    const directives = requestDirectives(policy, exchange, refreshes)
    return new Lookup(exchange, key, { search, storage, personal, directives, nested, isLoggedIn: isKnown })
  }
  if (request.method !== 'QUERY') return under(keys.of(request, whole), undefined)
  const having = (content: RequestContent): Lookup<Context> | Reason => {
    if (typeof content === 'string') return UNKNOWN_CONTENT[content]
    const digest = contentDigest(content, request.headers)
    return under(keys.ofQuery(request, whole, digest), digest)
  }
  const content = exchange.readContent?.(MAX_CONTENT) ?? 'consumed'
  return content instanceof Promise ? content.then(having) : having(content)
}

/**
 * Everything added to the key of a request: the values of option functions, a rewritten URL, another origin named by the
 * target, and the beginning of an answer that middleware in front has made.
 */
export function wholeExtra(
  { rewritten, otherOrigin, begun }: Pick<RequestHead, 'rewritten' | 'otherOrigin' | 'begun'>,
  extra: string,
): string {
  const isPlain = rewritten === undefined && otherOrigin === undefined && begun === undefined
  return isPlain ? extra : JSON.stringify([extra, rewritten, otherOrigin, begun])
}

/**
 * Whether a request asks for a refresh that `allowRefresh` may permit. In the application preset, clients cannot force
 * a handler run unless the route permits it.
 */
export function asksForRefresh<Context extends object>(policy: Policy<Context>, request: RequestHead): boolean {
  if (policy.allowRefresh === undefined || policy.obeysClient || request.isPlain) return false
  const directives = requestControl(request.headers)
  return directives !== undefined && (directives.noCache || directives.maxAge === 0)
}

/**
 * The request directives that are obeyed: `no-cache` for a permitted refresh, all of them with `obeyClient`, otherwise
 * none.
 */
function requestDirectives<Context extends object>(
  policy: Policy<Context>,
  { request }: Exchange<Context>,
  refreshes: boolean,
): CacheControl | undefined {
  if (refreshes) return { ...NO_DIRECTIVES, noCache: true }
  return policy.obeysClient && !request.isPlain ? requestControl(request.headers) : undefined
}

/**
 * Converts the value of the `key` option to text; `undefined` if it adds nothing, e.g. if a cookie it reads is absent.
 * Objects are rejected, because all of them convert to the same text.
 */
function keyText(key: unknown): string | undefined {
  if (key === undefined || key === null) return undefined
  if (typeof key === 'string' || typeof key === 'bigint' || typeof key === 'boolean' || Number.isFinite(key))
    return String(key)
  throw new TypeError(`key must return a string, a finite number, a boolean or undefined, got ${shown(key)}`)
}

/** Whether the `user` option named a user. Objects are rejected, because all of them convert to the same text. */
function isSomebody(user: unknown): boolean {
  if (user === undefined || user === null || user === '' || user === false) return false
  if (typeof user === 'string' || typeof user === 'bigint' || Number.isFinite(user)) return true
  throw new TypeError(`user must return a string, a finite number or undefined, got ${shown(user)}`)
}
