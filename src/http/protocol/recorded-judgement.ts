import type { ResponseHead } from '../port/exchange.js'
import type { ResponseNotes } from '../port/response-notes.js'
import { isEndless } from '../rules/endless-types.js'
import type { InputsRead } from '../rules/inputs-read.js'
import { type InputsContext, type InputsVerdict, judgeInputs, NO_INPUTS } from '../rules/inputs-verdict.js'
import type { Reason } from '../rules/reasons.js'
import { reflectedText, unkeyedTexts } from '../rules/reflected.js'
import { isStorable, type Storable } from '../rules/storable.js'
import { refuseFraming } from '../rules/storable-body.js'
import { selectingFields } from '../rules/vary.js'
import { type RecordedHead, withSelecting } from '../store/recorded-response.js'
import type { RouteFields } from '../store/route-fields.js'
import { adviceOn, reflectedInput } from './inputs-advice.js'
import { carriesNonce, isLoggedIn } from './personal.js'
import type { RecordedRequest, RecorderPolicy } from './recorded-request.js'
import type { Reports } from './reports.js'

/** The run whose response is judged. */
export interface JudgedRun {
  readonly of: RecordedRequest
  readonly policy: RecorderPolicy
  readonly handle: ResponseNotes
  readonly inputs: InputsRead | undefined
}

/** Judges whether the response of a run may be stored, by its head and by what the run has read. */
export class RecordedJudgement {
  readonly #run: JudgedRun
  readonly #reports: Reports
  /** The inputs of the run as they were when the head was judged. */
  #atHead: { readonly version: number; readonly context: InputsContext } | undefined
  #inputs: InputsVerdict = NO_INPUTS
  #searched: { readonly body: Buffer; readonly neutral: InputsRead['neutral'] } | undefined

  constructor(run: JudgedRun, reports: Reports) {
    this.#run = run
    this.#reports = reports
  }

  /** The selecting inputs that the run was seen to read. */
  get observed(): readonly string[] {
    return this.#inputs.selecting
  }

  /** The name of the input that a reason is about; `''`: none. */
  inputOf(reason: Reason): string {
    return reason === this.#inputs.refusal ? this.#inputs.input : ''
  }

  /** Why the response is not stored, or all that its entry needs. */
  onHead(head: ResponseHead, route: RouteFields, receivedAt: number, status: number): Reason | Storable {
    const { handle, of, policy } = this.#run
    if (handle.fault !== undefined) {
      this.#reports.fault(handle.fault)
      return 'fault'
    }
    if (handle.skipped !== undefined) return 'skip'
    if (isEndless(route.deciding, policy.storage.endlessTypes)) return 'event-stream'
    const response = { status, fields: route.deciding }
    const times = { requestedAt: of.requestedAt, receivedAt, ttl: handle.lifetime }
    const storable = isStorable(of.request, response, times, policy.storage)
    if (!storable.storable) return storable.reason
    const framing = refuseFraming(route.deciding)
    if (framing !== undefined) return framing
    if (head.isUnanswered === true) return 'unanswered'
    if (!of.personal && isLoggedIn(head.user, head.session)) return 'logged-in'
    if (carriesNonce(head)) return 'csp-nonce'
    return this.#judgeInputs(route, storable) ?? storable
  }

  /** Why what was read after the head keeps the response from being stored, or its head with what it is selected by. */
  onEnd(recorded: RecordedHead): Reason | RecordedHead {
    const { inputs, of } = this.#run
    const atHead = this.#atHead
    if (inputs === undefined || atHead === undefined || inputs.version === atHead.version) return recorded
    return this.#conclude(inputs, atHead.context) ?? withSelecting(recorded, of.request, this.observed)
  }

  /** Why a complete body keeps the response from being stored: it contains what only its own request has said. */
  onBody({ fields, stored }: RecordedHead, body: Buffer): Reason | undefined {
    const { inputs, of, policy } = this.#run
    if (inputs === undefined || policy.inputs === undefined) return undefined
    // A whole body was searched with its head, for what was read until then.
    if (this.#searched?.body === body && this.#searched.neutral === inputs.neutral) return undefined
    this.#searched = { body, neutral: inputs.neutral }
    const found = reflectedText(unkeyedTexts(inputs, of.request, stored.selecting, policy.inputs), fields, body)
    if (found === undefined) return undefined
    this.#reports.warn('reflected', () => reflectedInput(of.request.url, found.input))
    return 'reflected'
  }

  #judgeInputs(route: RouteFields, { by }: Storable): Reason | undefined {
    const { inputs, of, policy } = this.#run
    if (inputs === undefined || policy.inputs === undefined) return undefined
    const selecting = selectingFields(route.deciding, policy.vary, policy.exactVary)
    if (selecting === '*') return 'vary-star'
    const { storage } = policy
    const context = { request: of.request, control: by.control, selecting, storage, policy: policy.inputs }
    this.#atHead = { version: inputs.version, context }
    return this.#conclude(inputs, context)
  }

  #conclude(inputs: InputsRead, context: InputsContext): Reason | undefined {
    this.#inputs = judgeInputs(inputs, context)
    const advice = adviceOn(this.#inputs, inputs, this.#run.of.request)
    for (const { kind, text } of advice) this.#reports.warn(kind, text)
    return this.#inputs.refusal
  }
}
