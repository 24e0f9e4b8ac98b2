import type { CacheEngine } from '../../core/engine.js'
import { asError } from '../../core/errors.js'
import type { Absence } from '../../core/found.js'
import type { Exchange, FieldChanges, RequestHead } from '../port/exchange.js'
import { credentialNames, isSecretField } from '../rules/credentials.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { Reason } from '../rules/reasons.js'
import { selectingValues } from '../rules/vary.js'
import { onShelfFor, type Searches } from '../store/no-vary-search-index.js'
import { keyParts, type PrimaryKeys } from '../store/primary-key.js'
import type { RecentlyRefused } from '../store/recently-refused.js'
import { representationFor } from '../store/representation.js'
import { CACHE_NAME, StoredResponse } from '../store/stored-response.js'
import { distinctive } from '../store/stored-text.js'
import type { OnShelf, Shelf } from '../store/variants.js'
import { type CacheStatus, cacheStatusMember, type Forward } from '../syntax/cache-status.js'
import { fieldValue } from '../syntax/fields.js'
import { answerFromStore } from './answer.js'
import { type DecidedBy, type Decision, decideNamed, type Hit, nameRequest, passFor } from './decision.js'
import type {
  ExplainedForward,
  ExplainedKey,
  ExplainedResponse,
  ExplainedSelection,
  Explanation,
} from './explanation.js'
import { explanationText } from './explanation-text.js'
import type { Fill } from './fill.js'
import type { Flight } from './flight.js'
import type { HandlerRuns } from './handler-runs.js'
import { changesOf } from './handler-runs.js'
import type { Lookup } from './lookup.js'
import { isLoggedIn } from './personal.js'
import type { Policy } from './policy.js'
import { fillIn } from './post-answer.js'
import { scopeOf } from './scope.js'

/** The parts of a protocol that an explanation asks. */
export interface Explained<Context extends object> {
  readonly cache: CacheEngine
  readonly policy: Policy<Context>
  readonly keys: PrimaryKeys
  readonly shelf: Shelf
  readonly searches: Searches
  readonly runs: HandlerRuns<Context>
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
    const fill = recording && fillIn(recording)
    const apart = <T>(read: () => T): T => unwatched(recording?.inputs, read)
    const { nested, decide, takesOver } = of.standpointFor(asked.raw, asked.request.method)
    if (decide !== undefined) return await decide(exchange)
    // A cache within another one sees what that one sends on.
    const itself = apart(() => asItCame(asked, takesOver === true ? undefined : fill))
    return await explainRequest(itself, { ...of, nested, apart, ownFlight: fill?.of.flight })
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

/** What is known so far; what is missing is absent. */
type Draft = Pick<Explanation, 'request'> & Partial<Omit<Explanation, 'text' | 'toString'>>

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
    const named = await of.apart(() => nameRequest(exchange, by))
    const decideAs = async (nested: boolean) => {
      const decision = await of.apart(() => decideNamed(exchange, named, nested, by))
      const { lookup } = decision.kind === 'enter' ? {} : decision
      if (lookup === undefined) return explained(draft, decision, of)
      const found = 'found' in decision ? decision.found : await by.find(lookup)
      const seen = found && seenIn(found, lookup, by.cache.clock.now())
      const isRefined = 'extra' in named && named.extra !== ''
      const looked = {
        key: explainedKey(lookup, isRefined, of),
        stored: seen,
        absence: seen === undefined ? absence() : undefined,
        refused: found && of.recentlyRefused.last(found.place),
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
function withoutTrace<Context extends object>({ policy, keys, cache, runs, ownFlight, ...of }: Explaining<Context>) {
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
    runs: runs.without(ownFlight),
    find: (lookup) => {
      absence = 'nothing'
      const shelf = of.shelf.lookingBy(peek)
      return onShelfFor(lookup, shelf, of.searches.lookingBy(peek, shelf))
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

/** A decision in words. */
function explained<Context extends object>(
  draft: Draft,
  decision: Decision<Context>,
  of: Explaining<Context>,
): Explanation {
  if (decision.kind === 'enter') return complete(draft, of)
  if (decision.kind === 'hit') return complete({ ...draft, ...explainedHit(decision, of.policy) }, of)
  if (decision.kind === 'pass') return passed(draft, decision, of)
  const { kind, lookup, miss } = decision
  const { fwd, reason } = miss
  if (kind === 'head') return passed(draft, { fwd, reason: kind }, of)
  if (kind === 'refuse') {
    const status = { detail: 'only-if-cached' } as const
    return complete({ ...draft, outcome: kind, reason: status.detail, status: 504, ...say(of, status) }, of)
  }
  // The key as Cache-Status says it, where it does.
  const key = of.policy.cacheStatus === 'debug' ? lookup.key.text : undefined
  const said: Draft = { ...draft, reason, fwd }
  if (kind === 'wait') return complete({ ...said, outcome: kind, ...say(of, { fwd, collapsed: true, key }) }, of)
  const changes = kind === 'run' ? changesOf(lookup.request, miss.stale) : undefined
  const forwarded = forwardedWith(changes, lookup.request.headers)
  return complete({ ...said, outcome: 'forward', forwarded, ...say(of, { fwd, key }) }, of)
}

function passed<Context extends object>(
  draft: Draft,
  { fwd, reason }: { readonly fwd: Forward; readonly reason: Reason },
  of: Explaining<Context>,
): Explanation {
  const said = say(of, { fwd, detail: reason })
  return complete({ ...draft, outcome: 'pass', reason, fwd, forwarded: forwardedWith(undefined, {}), ...said }, of)
}

function explainedHit<Context extends object>(
  { lookup, found: { found }, stored, now, refresh }: Hit<Context>,
  { cacheStatus }: Policy<Context>,
): Partial<Draft> {
  const tier = found?.tier ?? 'memory'
  const key = cacheStatus === 'debug' ? lookup.key.text : undefined
  const shown = representationFor(stored, lookup.request, now)
  const member = shown.hitStatus(now, cacheStatus === false ? undefined : tier, key)
  const whole = shown.answer(shown.list, now, member)
  const { status, fields } = answerFromStore(lookup.exchange, shown, whole, now, lookup.storage.answersAsOrigin)
  const at = fields.lastIndexOf('Cache-Status')
  const said = at < 0 ? undefined : fieldValue({ value: fields[at + 1] }, 'value')
  return { outcome: 'hit', tier, refreshes: refresh === 'stale', status, cacheStatus: said }
}

function complete(draft: Draft, { cache }: { readonly cache: CacheEngine }): Explanation {
  const whole = {
    key: undefined,
    credentials: [],
    outcome: 'pass' as const,
    tier: undefined,
    reason: undefined,
    fwd: draft.reason === 'fault' ? ('bypass' as const) : undefined,
    status: undefined,
    refreshes: false,
    forwarded: undefined,
    cacheStatus: undefined,
    stored: undefined,
    absence: undefined,
    refused: undefined,
    fault: undefined,
    ...draft,
  }
  const text = explanationText(whole, cache.clock.now())
  // What is printed or turned into JSON shall show data only.
  return Object.defineProperty({ ...whole, text }, 'toString', { value: () => text })
}

function say<Context extends object>({ policy }: Explaining<Context>, status: CacheStatus): Pick<Draft, 'cacheStatus'> {
  return { cacheStatus: policy.cacheStatus === false ? undefined : cacheStatusMember(CACHE_NAME, status) }
}

function forwardedWith(changes: FieldChanges | undefined, headers: RequestHead['headers']): ExplainedForward {
  const conditions: Record<string, string> = {}
  const hidden: string[] = []
  for (const [name, value] of Object.entries(changes ?? {})) {
    if (value !== undefined) conditions[name] = value
    else if (headers[name] !== undefined) hidden.push(name)
  }
  return { conditions, hidden }
}

function explainedKey<Context extends object>(
  lookup: Lookup<Context>,
  isRefined: boolean,
  { policy }: Explaining<Context>,
): ExplainedKey {
  const group = policy.group.replace(/:$/, '')
  const { origin, path, query: own } = keyParts(policy, lookup.request)
  const { key, rule, personal } = lookup
  const query = rule?.apply(own) ?? own
  return { text: key.text, group, origin, path, query, noVarySearch: rule?.text, isRefined, isPersonal: personal }
}

/** The stored response that was found, or else the one that was found in its place. */
function seenIn<Context extends object>(
  { stored: own, other, found }: OnShelf,
  { request }: Lookup<Context>,
  now: number,
): ExplainedResponse | undefined {
  const stored = own ?? (other instanceof StoredResponse ? other : undefined)
  if (stored === undefined) return undefined
  const { entry } = stored
  return {
    status: stored.status,
    tier: found?.tier ?? 'memory',
    storedAt: entry.storedAt,
    age: stored.ageAt(now),
    lifetimeLeft: stored.lifetimeLeft(now),
    staleAt: entry.staleAt,
    deleteAt: entry.deleteAt,
    staleWhileRevalidate: stored.staleWhileRevalidate,
    staleIfError: stored.staleIfError,
    selecting: selections(stored, request),
    tags: [...entry.tags],
    entityTag: fieldValue(stored.byName, 'etag'),
    isOwnEntityTag: stored.ownEntityTag,
    lastModified: fieldValue(stored.byName, 'last-modified'),
    control: distinctive(stored.control) ?? {},
    size: stored.body.length,
    coding: representationFor(stored, request, now).coding,
    encodings: (stored.encodings ?? []).map(({ coding, length }) => ({
      coding,
      size: length === 0 ? undefined : length,
    })),
    isNested: stored.nested,
  }
}

function selections(stored: StoredResponse, request: RequestHead): readonly ExplainedSelection[] {
  const asked = selectingValues(stored.selecting, request.headers, request)
  return stored.selecting.map((name, at) => {
    const one = stored.values[at] ?? null
    const other = asked[at] ?? null
    const hide = (value: string | null) => (value !== null && isSecretField(name) ? '(hidden)' : value)
    return { name, stored: hide(one), asked: hide(other), isEqual: one === other }
  })
}

/** The exchange with the request's own fields: while its handler runs, its conditions are hidden. And nothing can be done by it. */
function asItCame<Context extends object>(exchange: Exchange<Context>, fill: Fill | undefined): Exchange<Context> {
  const { method, originalMethod, url, rewritten, hasBody, protocol, host, otherOrigin, headers } = exchange.request
  const own = fill?.of.request.headers ?? { ...headers }
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
