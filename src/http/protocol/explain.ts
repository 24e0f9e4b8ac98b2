import type { CacheEngine } from '../../core/engine.js'
import { asError } from '../../core/errors.js'
import type { Absence } from '../../core/found.js'
import type { Exchange, FieldChanges, Reply, RequestHead } from '../port/exchange.js'
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
import { asksInOwnUnits } from '../syntax/range.js'
import { answerFromStore } from './answer.js'
import { askFunctions } from './asked-functions.js'
import { courseOf, OUTLIVED, passedBy, verdictOn } from './decision.js'
import { lookupOf } from './entering.js'
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
  const { policy, cache } = of
  const { method, url, protocol, host } = exchange.request
  const origin = `${protocol}://${host.toLowerCase()}`
  const draft: Draft = {
    request: { method, url, origin },
    credentials: of.apart(() => credentialsIn(exchange, policy)),
  }
  const passed = passedBy(exchange.request, policy)
  if (passed !== undefined) return pass(draft, passed, of, passed === 'method' ? 'method' : 'bypass')
  const { inactive } = cache
  if (inactive !== undefined) return pass(draft, inactive, of)
  try {
    const naming = await of.apart(() => askFunctions(policy, exchange, cache.clock))
    if (naming === 'skip') return pass(draft, 'skip', of)
    const lookAs = async (nested: boolean) => {
      const lookup = await of.apart(() => lookupOf(policy, of.keys, exchange, naming, nested))
      if (typeof lookup === 'string') return pass(draft, lookup, of)
      return await look(draft, lookup, naming.extra !== '', of)
    }
    if (of.nested !== 'unknown') return await lookAs(of.nested)
    // The URL decides which caches a request meets: those that the stored response has met.
    const seen = await lookAs(false)
    return seen.stored?.isNested === true ? await lookAs(true) : seen
  } catch (thrown) {
    return pass({ ...draft, fault: asError(thrown).message }, 'fault', of)
  }
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

async function look<Context extends object>(
  draft: Draft,
  lookup: Lookup<Context>,
  isRefined: boolean,
  of: Explaining<Context>,
): Promise<Explanation> {
  const { cache } = of
  let absence: Absence = 'nothing'
  const peek = async (key: string) => {
    const seen = await cache.peek(key)
    if (typeof seen === 'object') return seen
    if (seen !== 'nothing') absence = seen
    return undefined
  }
  const shelf = of.shelf.lookingBy(peek)
  const onShelf = await onShelfFor(lookup, shelf, of.searches.lookingBy(peek, shelf))
  const now = cache.clock.now()
  const { stored, other, found, place } = onShelf
  const shown = stored ?? (other instanceof StoredResponse ? other : undefined)
  const looked: Draft = {
    ...draft,
    key: explainedKey(lookup, isRefined, of),
    stored: shown && explainedResponse(shown, found?.tier ?? 'memory', lookup.request, now),
    absence: shown === undefined ? absence : undefined,
    refused: of.recentlyRefused.last(place),
  }
  return judge(looked, lookup, onShelf, of, now)
}

function judge<Context extends object>(
  draft: Draft,
  lookup: Lookup<Context>,
  onShelf: OnShelf,
  of: Explaining<Context>,
  now: number,
): Explanation {
  const { stored, found } = onShelf
  // It is never answered from the store, but what it is answered may be stored.
  if (lookup.request.method === 'POST')
    return forward({ ...draft, reason: 'method', fwd: 'method' }, lookup, undefined, of)
  const verdict = verdictOn(lookup, onShelf, now)
  if (verdict.kind === 'refused') return pass(draft, verdict.reason, of)
  if (verdict.kind === 'inner') return forward({ ...draft, reason: 'uri-miss', fwd: 'uri-miss' }, lookup, undefined, of)
  if (verdict.kind === 'hit' && stored !== undefined) {
    const refreshes = verdict.reuse === 'stale-while-revalidate'
    if (!refreshes || lookup.exchange.refresh !== undefined) {
      const tier = found?.tier ?? 'memory'
      const reply = replyOf(lookup, stored, tier, of.policy.cacheStatus, now)
      return complete(
        { ...draft, outcome: 'hit', tier, refreshes, status: reply.status, cacheStatus: statusIn(reply) },
        of,
      )
    }
  }
  const miss = verdict.kind === 'miss' ? verdict : OUTLIVED
  return goOn(draft, lookup, onShelf, { ...miss, stale: miss.usable ? stored : undefined }, of)
}

function goOn<Context extends object>(
  draft: Draft,
  lookup: Lookup<Context>,
  { place, stored }: OnShelf,
  {
    fwd,
    reason,
    stale,
  }: { readonly fwd: Forward; readonly reason: Reason; readonly stale: StoredResponse | undefined },
  of: Explaining<Context>,
): Explanation {
  const course = courseOf(lookup, stale)
  const missed: Draft = { ...draft, reason, fwd }
  switch (course.kind) {
    case 'only-if-cached':
      return complete(
        { ...draft, outcome: 'refuse', reason: course.kind, status: 504, ...say(of, { detail: course.kind }) },
        of,
      )
    case 'head':
      return pass(draft, 'head', of, fwd)
    case 'refused':
      return pass(draft, course.reason, of)
    case 'check':
      return forward(missed, lookup, undefined, of)
    case 'alone':
      return forward({ ...missed, fwd: 'bypass' }, lookup, undefined, of)
    default: {
      const isOwn = fwd === 'request' || asksInOwnUnits(lookup.request.headers)
      const flight = isOwn ? undefined : of.runs.flightTo(place)
      if (flight !== undefined && flight !== of.ownFlight) {
        if (of.runs.areCrowded) return forward(missed, lookup, undefined, of)
        return complete(
          { ...missed, outcome: 'wait', ...say(of, { fwd, collapsed: true, key: keyOf(lookup, of) }) },
          of,
        )
      }
      const part = stored?.status === 206 ? stored : undefined
      return forward(missed, lookup, of.runs.changesOf(lookup, { place, fwd, stale, part }), of)
    }
  }
}

function forward<Context extends object>(
  draft: Draft,
  lookup: Lookup<Context>,
  changes: FieldChanges | undefined,
  of: Explaining<Context>,
): Explanation {
  return complete(
    {
      ...draft,
      outcome: 'forward',
      forwarded: forwardedWith(changes, lookup.request.headers),
      ...say(of, { fwd: draft.fwd, key: keyOf(lookup, of) }),
    },
    of,
  )
}

function pass<Context extends object>(
  draft: Draft,
  reason: Reason,
  of: Explaining<Context>,
  fwd: Forward = draft.request.method === 'POST' ? 'method' : 'bypass',
): Explanation {
  const said = say(of, { fwd, detail: reason })
  return complete({ ...draft, outcome: 'pass', reason, fwd, forwarded: NOT_CHANGED, ...said }, of)
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

/** The key as Cache-Status says it, where it does. */
function keyOf<Context extends object>({ key }: Lookup<Context>, { policy }: Explaining<Context>): string | undefined {
  return policy.cacheStatus === 'debug' ? key.text : undefined
}

function replyOf<Context extends object>(
  lookup: Lookup<Context>,
  stored: StoredResponse,
  tier: string,
  cacheStatus: boolean | 'debug',
  now: number,
): Reply {
  const key = cacheStatus === 'debug' ? lookup.key.text : undefined
  const shown = representationFor(stored, lookup.request, now)
  const member = shown.hitStatus(now, cacheStatus === false ? undefined : tier, key)
  return answerFromStore(
    lookup.exchange,
    shown,
    shown.answer(shown.list, now, member),
    now,
    lookup.storage.answersAsOrigin,
  )
}

function statusIn({ fields }: Reply): string | undefined {
  const at = fields.lastIndexOf('Cache-Status')
  return at < 0 ? undefined : fieldValue({ value: fields[at + 1] }, 'value')
}

const NOT_CHANGED: ExplainedForward = { conditions: {}, hidden: [] }

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

function explainedResponse(
  stored: StoredResponse,
  tier: ExplainedResponse['tier'],
  request: RequestHead,
  now: number,
): ExplainedResponse {
  const { entry } = stored
  return {
    status: stored.status,
    tier,
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
