import type { ResponseHead } from '../port/recording.js'
import type { RequestHead } from '../port/request-head.js'
import type { ResponseNotes } from '../port/response-notes.js'
import { isEndless } from '../rules/endless-types.js'
import { InputsRead } from '../rules/inputs-read.js'
import type { Reason } from '../rules/reasons.js'
import { reflectedText, unkeyedTexts } from '../rules/reflected.js'
import { isStorable, type Storable } from '../rules/storable.js'
import { refuseFraming } from '../rules/storable-body.js'
import { type InputsContext, type InputsDecision, judgeInputs, NO_INPUTS } from '../rules/storable-inputs.js'
import { selectingFields } from '../rules/vary.js'
import { type RecordedHead, withSelecting } from '../store/recorded-response.js'
import type { RouteFields } from '../store/route-fields.js'
import { fieldValue } from '../syntax/fields.js'
import { adviceOn } from './inputs-advice.js'
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

/** Records what a run reads of its request; `undefined` if its response cannot be stored, or the route is not observed. */
export function watchedInputs(request: RequestHead, policy: RecorderPolicy): InputsRead | undefined {
  const { inputs, storage } = policy
  if (inputs === undefined || (request.method === 'POST' && !storage.methods.has('POST'))) return undefined
  const read = new InputsRead(policy.keyedParameters, inputs.ignored, policy.filledNames, inputs.counted)
  read.metNames = inputs.metNames
  return read
}

/** Decides whether the response of a run may be stored, by its head and by the inputs that the run has read. */
export class RecordedJudgement {
  readonly #run: JudgedRun
  readonly #reports: Reports
  /** The state of the run's inputs when the head was judged. */
  #atHead: { readonly version: number; readonly context: InputsContext } | undefined
  #inputs: InputsDecision = NO_INPUTS
  #searched: { readonly body: Buffer; readonly neutral: InputsRead['neutral'] } | undefined

  constructor(run: JudgedRun, reports: Reports) {
    this.#run = run
    this.#reports = reports
  }

  /** The selecting inputs that the run was observed to read. */
  get observed(): readonly string[] {
    return this.#inputs.selecting
  }

  /** The name of the input that a reason refers to; `''` if there is none. */
  inputOf(reason: Reason): string {
    return reason === this.#inputs.refusal ? this.#inputs.input : ''
  }

  /** Returns the reason why the response is not stored, or the properties of its entry. */
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

  /**
   * Considers inputs that were read after the head. Returns the reason why the response is not stored, or the head with
   * its final selecting inputs.
   */
  onEnd(recorded: RecordedHead): Reason | RecordedHead {
    const { inputs, of } = this.#run
    const atHead = this.#atHead
    if (inputs === undefined || atHead === undefined || inputs.version === atHead.version) return recorded
    return this.#conclude(inputs, atHead.context) ?? withSelecting(recorded, of.request, this.observed)
  }

  /** Returns a reason if the complete response contains a value of its own request that is not part of any key. */
  onBody({ fields, stored }: RecordedHead, body: Buffer): Reason | undefined {
    const { inputs, of, policy } = this.#run
    if (inputs === undefined || policy.inputs === undefined) return undefined
    // A complete body was already searched with its head; repeat that only if more inputs have been read since.
    if (this.#searched?.body === body && this.#searched.neutral === inputs.neutral) return undefined
    this.#searched = { body, neutral: inputs.neutral }
    const found = reflectedText(unkeyedTexts(inputs, of.request, stored.selecting, policy.inputs), fields, body)
    if (found === undefined) return undefined
    this.#reports.warn('reflected', (texts) => texts.reflectedInput(of.request.url, found.input))
    return 'reflected'
  }

  #judgeInputs(route: RouteFields, { by }: Storable): Reason | undefined {
    const { inputs, of, policy } = this.#run
    if (inputs === undefined || policy.inputs === undefined) return undefined
    // Vary members of outer middleware that did not affect the response select nothing, and do not account for inputs
    // read.
    const announced = fieldValue(route.deciding, 'vary')
    const selecting = selectingFields(route.fields, policy.vary, policy.exactVary, announced)
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
