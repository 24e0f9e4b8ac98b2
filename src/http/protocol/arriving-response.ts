import type { FinishedResponse } from '../port/finished-response.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { Reason } from '../rules/reasons.js'
import { refuseBody } from '../rules/storable-body.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { Combination } from '../store/combined-parts.js'
import { encodingsToMake } from '../store/encodings.js'
import { type RecordedHead, withEntityTag } from '../store/recorded-response.js'
import type { StoredHead } from '../store/stored-head.js'
import { fieldValue } from '../syntax/fields.js'
import type { BodyCollector } from './body-collector.js'
import type { HeadRecorder } from './head-recorder.js'
import type { RecordedJudgement } from './recorded-judgement.js'
import type { RouteSay } from './route-say.js'

/** A response whose head was recorded. */
interface ArrivedHead {
  readonly recorded: RecordedHead
  /** The stored parts that it completes; `undefined` if it is no part. */
  readonly combined: Combination | undefined
  /** Status and fields of the response as the route made them. */
  readonly made: Pick<FinishedResponse, 'status' | 'fields'>
  /** Whether its body came with its head. */
  readonly isWhole: boolean
}

/** What decides whether a complete response is stored. */
interface Judges {
  readonly judgement: RecordedJudgement
  readonly say: RouteSay
  readonly heads: HeadRecorder
  readonly inputs: InputsRead | undefined
}

/** All parts of a complete response that is to be stored. */
interface CompleteResponse {
  readonly recorded: RecordedHead
  readonly head: StoredHead
  readonly body: Buffer
}

/** A response whose head was recorded, and whose body arrives. */
export class ArrivingResponse {
  readonly #head: ArrivedHead
  readonly #body: BodyCollector

  constructor(head: ArrivedHead, body: BodyCollector) {
    this.#head = head
    this.#body = body
  }

  /** Its parts once it is complete, or the reason why it is not stored. */
  complete(
    { judgement, say, heads, inputs }: Judges,
    storage: StoragePolicy,
    hasLeft: boolean,
  ): Reason | CompleteResponse {
    const { combined, made } = this.#head
    const refusal = this.#refusalOfBody(storage, hasLeft)
    if (refusal !== undefined) return refusal
    const recorded = judgement.onEnd(this.#head.recorded)
    if (typeof recorded === 'string') return recorded
    const received = this.#body.join()
    const body = combined === undefined ? received : combined.bodyWith(received)
    if (body === undefined) return 'incomplete'
    const repeats = judgement.onBody(recorded, body)
    if (repeats !== undefined) return repeats
    const head = withEntityTag(recorded, body)
    const encodings = encodingsToMake(heads.codings, body.length)
    inputs?.close()
    const unwanted = say.isAsked ? undefined : say.ask(made, body)
    return unwanted ?? { recorded, head: encodings === undefined ? head : { ...head, encodings }, body }
  }

  /** Whether a client that has left has cut it short: no declared length can show that the body is complete. */
  isCutShort(hasLeft: boolean): boolean {
    if (!hasLeft || this.#head.isWhole) return false
    return fieldValue(this.#arriving.fields, 'content-length') === undefined
  }

  #refusalOfBody(storage: StoragePolicy, hasLeft: boolean): Reason | undefined {
    if (this.isCutShort(hasLeft)) return 'aborted'
    return refuseBody(this.#arriving, { length: this.#body.length, ended: true, trailers: false }, storage)
  }

  /** The head of the response whose body arrives, which may be a part of what is recorded. */
  get #arriving(): Pick<FinishedResponse, 'status' | 'fields'> {
    const { stored, fields } = this.#head.recorded
    return this.#head.combined?.arriving ?? { status: stored.status, fields }
  }
}
