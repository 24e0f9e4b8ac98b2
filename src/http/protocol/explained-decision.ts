import type { CacheEngine } from '../../core/engine.js'
import type { Reason } from '../rules/reasons.js'
import { representationFor } from '../store/representation.js'
import { CACHE_NAME } from '../store/stored-response.js'
import { type CacheStatus, cacheStatusMember, type Forward } from '../syntax/cache-status.js'
import { fieldValue } from '../syntax/fields.js'
import { answerFromStore } from './answer.js'
import type { Decision, Hit } from './decision.js'
import { forwardedWith } from './explained-parts.js'
import type { Explanation } from './explanation.js'
import { explanationText } from './explanation-text.js'
import { changesOf } from './forwarded-request.js'
import type { Policy } from './policy.js'

/** The clock and options needed to explain a decision. */
interface Told<Context extends object> {
  readonly cache: Pick<CacheEngine, 'clock'>
  readonly policy: Policy<Context>
}

/** The known properties of an explanation; the others are absent. */
export type Draft = Pick<Explanation, 'request'> & Partial<Omit<Explanation, 'text' | 'toString'>>

/** Converts a decision to an explanation. */
export function explained<Context extends object>(
  draft: Draft,
  decision: Decision<Context>,
  of: Told<Context>,
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
  // Cache-Status contains the key in debug mode only.
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
  of: Told<Context>,
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
  const { status, fields } = answerFromStore(lookup, { stored: shown, whole, now })
  const at = fields.lastIndexOf('Cache-Status')
  const said = at < 0 ? undefined : fieldValue({ value: fields[at + 1] }, 'value')
  return { outcome: 'hit', tier, refreshes: refresh === 'stale', status, cacheStatus: said }
}

/** Completes a draft with the defaults of absent properties, and adds the text. */
export function complete(draft: Draft, { cache }: { readonly cache: Pick<CacheEngine, 'clock'> }): Explanation {
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
  // Not enumerable, so that printing or JSON shows data only.
  return Object.defineProperty({ ...whole, text }, 'toString', { value: () => text })
}

function say<Context extends object>({ policy }: Told<Context>, status: CacheStatus): Pick<Draft, 'cacheStatus'> {
  return { cacheStatus: policy.cacheStatus === false ? undefined : cacheStatusMember(CACHE_NAME, status) }
}
