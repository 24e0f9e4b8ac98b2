import type { Onward, ResponseHead } from '../port/recording.js'
import type { Reply } from '../port/reply.js'
import type { Reason } from '../rules/reasons.js'
import { uniteVary } from '../rules/vary.js'
import type { RecordedHead } from '../store/recorded-response.js'
import { toFieldList } from '../store/route-fields.js'
import type { CacheStatus } from '../syntax/cache-status.js'
import { type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { answerConditions, type MadeResponse } from './answer.js'
import { CACHE_STATUS, cacheStatusField } from './pass-through.js'
import type { JudgedRun } from './recorded-judgement.js'
import type { RecordedRequest, RecorderPolicy } from './recorded-request.js'
import { serverTimingField } from './server-timing.js'

/** A run whose response is sent to its client. */
export interface AnsweredRun {
  readonly of: RecordedRequest
  readonly policy: RecorderPolicy
}

/** The Cache-Status field for a handler's response; empty if it is disabled. */
export function statusField({ of, policy }: AnsweredRun, head: ResponseHead, more: CacheStatus): FieldList {
  if (policy.cacheStatus === false) return []
  const { fwd, collapsed, key, tally } = of
  const status = { ...more, fwd, fwdStatus: head.status, collapsed }
  if (policy.cacheStatus !== 'debug') return cacheStatusField(head, status)
  const timing = { result: tally.result, detail: tally.reason, handler: tally.took }
  return [
    ...cacheStatusField(head, { ...status, key: key.text }),
    ...serverTimingField(head.field('server-timing'), timing),
  ]
}

/** The same if the cache itself has failed, perhaps with this response; empty if it cannot be made. */
export function faultField(run: AnsweredRun, head: ResponseHead): FieldList {
  try {
    return statusField(run, head, { detail: 'fault' })
  } catch {
    return []
  }
}

/**
 * Formats the reason why a response is not stored, for Cache-Status.
 *
 * @param input - the name of the input that the reason refers to; `''` if there is none
 */
export function reasonText(run: Pick<JudgedRun, 'handle' | 'policy'>, reason: Reason, input: string): string {
  if (reason === 'skip') return run.handle.skipped ?? reason
  return input === '' || run.policy.cacheStatus !== 'debug' ? reason : `${reason} ${input}`
}

/**
 * Adjusts the response to the client while it is being stored: fields to add, and a 304 for conditions that were hidden
 * from the handler.
 *
 * @param isEncoded - whether hits will be sent encoded; then the first response has Vary already, for caches on the way
 */
export function answerStored(
  { of, policy }: AnsweredRun,
  head: ResponseHead,
  { fields: own, stored, receivedAt }: RecordedHead,
  { status, isEncoded }: { readonly status: FieldList; readonly isEncoded: boolean },
): Pick<Onward, 'fields' | 'checkedNames' | 'instead'> {
  const sent = asSent(head, own, stored.appended)
  const vary = isEncoded ? uniteVary(fieldValue({ vary: head.field('vary') }, 'vary'), 'Accept-Encoding') : undefined
  const fields = isEncoded ? { ...sent, vary } : sent
  const added: FieldValue[] = [...status]
  const { etag } = fields
  if (isEncoded) added.push('Vary', vary ?? '')
  const { emitTags } = policy
  const tags = emitTags && own[emitTags.toLowerCase()]
  if (emitTags !== undefined && tags !== undefined && tags !== head.field(emitTags)) added.push(emitTags, tags)
  if (etag !== undefined && head.field('etag') === undefined) added.push('ETag', etag)
  return {
    fields: added,
    checkedNames: checkedNames(added),
    instead: answerHidden(of, { status: head.status, fields, removed: stored.removed, now: receivedAt }, status),
  }
}

/** The names of added fields in lower case, if all of them are made by this cache. */
function checkedNames(added: FieldList): readonly string[] | undefined {
  const [first, , second] = added
  if (first !== 'Cache-Status' || added.length > 4) return undefined
  if (second === undefined) return CACHE_STATUS
  return second === 'ETag' ? STATUS_AND_TAG : undefined
}

const STATUS_AND_TAG: readonly string[] = Object.freeze(['cache-status', 'etag'])

/** Evaluates conditions that were hidden from the handler; returns `undefined` if the handler's response is sent. */
export function answerHidden(
  { conditions, request }: RecordedRequest,
  made: MadeResponse,
  status: FieldList,
): Reply | undefined {
  if (conditions === undefined) return undefined
  const reply = answerConditions(request, made)
  return reply && { ...reply, fields: [...toFieldList(reply.fields), ...status] }
}

/** The route's fields, with the final values of list fields that outer middleware has started. */
export function asSent(head: ResponseHead, fields: Fields, appended: readonly string[]): Fields {
  const lists = head.outer.vary === undefined ? appended : [...appended, 'vary']
  if (lists.length === 0) return fields
  const sent: Record<string, FieldValue | undefined> = { ...fields }
  for (const name of lists) if (fields[name] !== undefined) sent[name] = head.field(name)
  return sent
}
