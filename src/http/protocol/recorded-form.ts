import { byteLength } from '../port/own-bytes.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { Reason } from '../rules/reasons.js'
import { refuseBody } from '../rules/storable-body.js'
import type { RouteFields } from '../store/route-fields.js'
import { fieldValue } from '../syntax/fields.js'
import type { RecordedRequest, RecorderPolicy } from './recorded-request.js'

/** A handler run whose response is recorded. */
interface RecordedRun {
  readonly of: Pick<RecordedRequest, 'sees'>
  readonly policy: Pick<RecorderPolicy, 'storage'>
  readonly inputs: InputsRead | undefined
}

/**
 * The reason why the form of a response prevents storing: it fits this request only, or its length is wrong or too
 * large. Checked with the head, as far as it is known then.
 *
 * @param whole - the body, if it is already known
 */
export function refusalOfForm(
  run: RecordedRun,
  status: number,
  { fields }: RouteFields,
  whole: Uint8Array | string | undefined,
): Reason | undefined {
  const { storage } = run.policy
  if (isForOneRequest(run, status)) return 'precondition'
  const isAnnouncedTooLarge = Number(fieldValue(fields, 'content-length') ?? 0) > storage.maxBodySize
  if (whole === undefined) return isAnnouncedTooLarge ? 'too-large' : undefined
  return refuseBody({ status, fields }, { length: byteLength(whole), ended: true, trailers: false }, storage)
}

/**
 * Whether the response may depend on the range or conditions that the handler saw, and would be wrong for other
 * requests.
 */
function isForOneRequest({ of, policy, inputs }: RecordedRun, status: number): boolean {
  const { sees } = of
  if (sees === undefined || status === 206) return false
  if (status !== 200) return true
  if (sees !== 'range') return false
  if (inputs !== undefined) return inputs.range || inputs.everyField
  // Unknown whether a handler in this process has read Range; a proxied 200 is trusted (RFC 9111, section 3).
  return policy.storage.answersAsOrigin
}
