import type { Reply, ResponseHead } from '../port/exchange.js'
import { uniteVary } from '../rules/vary.js'
import type { RecordedHead } from '../store/recorded-response.js'
import { toFieldList } from '../store/route-fields.js'
import type { CacheStatus } from '../syntax/cache-status.js'
import { type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { answerConditions, type MadeResponse } from './answer.js'
import { cacheStatusField } from './pass-through.js'
import type { RecordedRequest, RecorderPolicy } from './recorded-request.js'

/** A run whose answer goes to its client. */
export interface AnsweredRun {
  readonly of: RecordedRequest
  readonly policy: RecorderPolicy
}

/** The Cache-Status field of a handler's answer; empty where none is wanted. */
export function statusField({ of, policy }: AnsweredRun, head: ResponseHead, more: CacheStatus): FieldList {
  if (policy.cacheStatus === false) return []
  const { fwd, collapsed, key } = of
  const debug = policy.cacheStatus === 'debug' ? { key: key.text } : {}
  return cacheStatusField(head, { fwd, fwdStatus: head.status, collapsed, ...more, ...debug })
}

/**
 * What is laid over a response that is being stored, and what its client gets whose conditions were hidden from the handler.
 *
 * @param isEncoded - it is going to be sent encoded, and says so from its first answer on: caches on the way have to know
 */
export function answerStored(
  { of }: AnsweredRun,
  head: ResponseHead,
  { fields: own, stored, receivedAt }: RecordedHead,
  { status, isEncoded }: { readonly status: FieldList; readonly isEncoded: boolean },
): { readonly fields: FieldList; readonly instead: Reply | undefined } {
  const sent = asSent(head, own, stored.appended)
  const vary = isEncoded ? uniteVary(fieldValue({ vary: head.field('vary') }, 'vary'), 'Accept-Encoding') : undefined
  const fields = isEncoded ? { ...sent, vary } : sent
  const added: FieldValue[] = [...status]
  const { etag } = fields
  if (isEncoded) added.push('Vary', vary ?? '')
  if (etag !== undefined && head.field('etag') === undefined) added.push('ETag', etag)
  return {
    fields: added,
    instead: answerHidden(of, { status: head.status, fields, removed: stored.removed, now: receivedAt }, status),
  }
}

/** What a client gets whose conditions were hidden from the handler; `undefined`: the handler's answer. */
export function answerHidden(
  { conditions, request }: RecordedRequest,
  made: MadeResponse,
  status: FieldList,
): Reply | undefined {
  if (conditions === undefined) return undefined
  const reply = answerConditions(request, made)
  return reply && { ...reply, fields: [...toFieldList(reply.fields), ...status] }
}

/** The fields of the route, with the lists that outer middleware has begun as they are going to be sent. */
export function asSent(head: ResponseHead, fields: Fields, appended: readonly string[]): Fields {
  const lists = head.outer.vary === undefined ? appended : [...appended, 'vary']
  if (lists.length === 0) return fields
  const sent: Record<string, FieldValue | undefined> = { ...fields }
  for (const name of lists) if (fields[name] !== undefined) sent[name] = head.field(name)
  return sent
}
