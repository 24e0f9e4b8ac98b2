import { brand } from '../../core/brand.js'
import { ownBytes } from '../port/own-bytes.js'
import type { Onward, Recording, ResponseHead } from '../port/recording.js'
import type { Reply } from '../port/reply.js'
import { ResponseNotes } from '../port/response-notes.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { Reason } from '../rules/reasons.js'
import { isClientError, isStaleIfErrorStatus } from '../rules/stale.js'
import type { Storable } from '../rules/storable.js'
import { combine, isLesser } from '../store/combined-parts.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { RouteFields } from '../store/route-fields.js'
import type { StoredHead } from '../store/stored-head.js'
import { ArrivingResponse } from './arriving-response.js'
import { BodyCollector } from './body-collector.js'
import type { Landing } from './flight.js'
import type { HandlerTrace } from './handler-trace.js'
import { HeadRecorder } from './head-recorder.js'
import { AS_IT_IS } from './pass-through.js'
import { answerHidden, answerStored, asSent, faultField, reasonText, statusField } from './recorded-answer.js'
import { refusalOfForm } from './recorded-form.js'
import { RecordedJudgement, watchedInputs } from './recorded-judgement.js'
import type { RecordedRequest, RecorderPolicy } from './recorded-request.js'
import type { ResponseWriter } from './response-writer.js'
import { RouteSay } from './route-say.js'

/** Records a handler's response, and stores it if permitted. */
export class ResponseRecorder implements Recording {
  readonly wants = 'response'
  readonly handle = new ResponseNotes()
  readonly of: RecordedRequest
  policy: RecorderPolicy
  readonly inputs: InputsRead | undefined
  /** Tells subscribers of the run; `undefined` if there are none. */
  trace: HandlerTrace | undefined
  protected readonly writer: ResponseWriter
  protected readonly judgement: RecordedJudgement
  protected readonly say: RouteSay
  protected readonly heads: HeadRecorder
  /** Whether recording has ended. */
  protected isDone = false
  /** Whether an inner middleware has taken over the work. */
  protected isRelieved = false
  /** The response, once its head was recorded. */
  #arriving: ArrivingResponse | undefined
  #body: BodyCollector | undefined
  #failed = false
  #hasBegun = false
  /** The client disconnected before the handler ended the response. */
  #hasLeft = false
  /** Whether the response is complete, but `cacheIf` or `tags` of the route is still pending. */
  #awaitsRoute = false

  constructor(of: RecordedRequest, policy: RecorderPolicy, writer: ResponseWriter) {
    this.of = of
    this.policy = policy
    this.inputs = watchedInputs(of.request, policy)
    this.writer = writer
    this.judgement = new RecordedJudgement(this, writer.parts.reports)
    this.say = new RouteSay(this, writer.parts.reports)
    this.heads = new HeadRecorder(this, this.judgement, this.say, writer)
  }

  begin(head: ResponseHead, whole?: Uint8Array | string): Onward {
    if (this.isDone && !this.isRelieved) return AS_IT_IS
    this.inputs?.pause()
    this.#noteRun()
    this.#hasBegun = true
    try {
      return this.onAnswer(head, whole)
    } catch (thrown) {
      this.#failOurselves(thrown)
      return { ...AS_IT_IS, fields: faultField(this, head) }
    } finally {
      this.of.tally.count()
      this.inputs?.resume()
    }
  }

  write(chunk: Buffer | string): boolean {
    if (this.isDone || this.#body === undefined) return false
    if (!this.#body.add(chunk, this.policy.storage.maxBodySize)) this.refuse('too-large')
    return !this.isDone
  }

  pause(): void {
    if (!this.isDone) this.of.flight?.pause()
  }

  resume(): void {
    this.of.flight?.resume()
  }

  end(): void {
    if (this.isDone) return
    const { judgement, say, heads, inputs, policy } = this
    try {
      const judges = { judgement, say, heads, inputs }
      const stored = this.#arriving?.complete(judges, policy.storage, this.#hasLeft) ?? 'incomplete'
      if (typeof stored === 'string') this.refuse(stored)
      else this.store(stored.recorded, stored.head, stored.body)
    } catch (thrown) {
      this.#failOurselves(thrown)
    }
  }

  leave(): void {
    this.#hasLeft = true
    if (this.#awaitsRoute) return
    this.of.flight?.land({ kind: 'abandoned' })
    // The handler may never end it: then its bytes would be held until maxHandlerTime.
    if (!this.isDone && this.#arriving?.isCutShort(true) === true) this.refuse('aborted')
  }

  abort(reason: 'aborted' | 'trailers' | 'fault'): void {
    if (!this.isDone) this.refuse(reason)
  }

  fail(error: unknown): Reply | undefined {
    if (this.isDone) return undefined
    if (isClientError(error)) {
      this.refuse('status')
      return undefined
    }
    const instead = this.of.onError?.(undefined)
    this.#failed = true
    this.#noteRun()
    if (instead === undefined) this.refuse('aborted')
    else this.#replaceError()
    return instead
  }

  /** Sends the response without looking at it, for a reason known beforehand. */
  passBy(head: ResponseHead, reason: Reason): Onward {
    if (this.isDone) return AS_IT_IS
    this.#noteRun()
    this.refuse(reason)
    return { ...AS_IT_IS, fields: statusField(this, head, { detail: reason }) }
  }

  /**
   * Gives up the recording so that the decision about the request is made again; another request runs the handler for
   * those that wait.
   */
  giveUp(): void {
    this.of.flight?.land({ kind: 'abandoned' })
    this.standDown()
  }

  /** Leaves the work to an inner middleware; requests that wait for this recorder continue on their own. */
  standDown(): void {
    this.isRelieved = true
    this.of.tally.leave()
    this.finish({ kind: 'refused' })
  }

  protected onAnswer(head: ResponseHead, whole: Uint8Array | string | undefined): Onward {
    if (this.isRelieved) return AS_IT_IS
    this.#failed = head.status >= 500
    const instead = isStaleIfErrorStatus(head.status) ? this.of.onError?.(head.status) : undefined
    if (instead === undefined) return this.record(head, whole)
    this.#replaceError()
    return { ...AS_IT_IS, instead }
  }

  protected record(head: ResponseHead, whole: Uint8Array | string | undefined): Onward {
    const own = this.heads.routeOf(head)
    const receivedAt = this.writer.clock.now()
    const combined = combine(this.of.part, head.status, own, { receivedAt, storage: this.policy.storage })
    const { status, route, selecting } = combined ?? { status: head.status, route: own, selecting: NO_NAMES_READ }
    if (isLesser(status, this.of.part, receivedAt)) return this.#refusing(head, own, 'partial')
    const storable = this.judgement.onHead(head, route, receivedAt, status)
    if (typeof storable === 'string') return this.#refusing(head, own, storable)
    // The bytes of a text are counted by copying it.
    const isCopied = whole !== undefined && whole.length <= this.policy.storage.maxBodySize
    const body = isCopied ? ownBytes(whole) : undefined
    const misfit = refusalOfForm(this, head.status, own, body ?? whole) ?? (this.#hasLeft ? 'aborted' : undefined)
    if (misfit !== undefined) return this.#refusing(head, own, misfit)
    const line = { status, reason: status === head.status ? head.reason : undefined }
    const tagged = combined === undefined ? body : undefined
    const recorded = this.heads.record({ line, route, storable, receivedAt, selecting, body: tagged })
    const refused = (body && this.judgement.onBody(recorded, body)) ?? this.writer.refuses(this.of, recorded)
    if (refused !== undefined) return this.#refusing(head, own, refused)
    const made = { status, fields: route.fields }
    const unwanted = tagged === undefined ? undefined : this.say.ask(made, tagged)
    if (unwanted !== undefined) return this.#refusing(head, own, unwanted)
    this.#body = this.#collector()
    this.#arriving = new ArrivingResponse({ recorded, combined, made, isWhole: whole !== undefined }, this.#body)
    if (body === undefined) this.of.flight?.stream()
    else this.#body.takeWhole(body)
    return this.#storing(head, recorded, storable, body)
  }

  /** Formats a reason for Cache-Status. */
  protected detail(reason: Reason): string {
    return reasonText(this, reason, this.judgement.inputOf(reason))
  }

  /** Stores a complete response. Returns `undefined` if `cacheIf` or `tags` is pending; then it is stored later. */
  protected store(recorded: RecordedHead, head: StoredHead, body: Buffer): Landing | undefined {
    if (!this.say.isSettled) {
      void this.#storeLater(recorded, head, body)
      return undefined
    }
    const landing = this.writer.keep(this.of, recorded, head, body)
    this.finish(landing)
    return landing
  }

  /** Ends the recording without storing the response. */
  protected refuse(reason: Reason): void {
    this.tellRefused(reason, this.#failed)
    this.finish({ kind: this.#failed ? 'failed' : 'refused' })
  }

  protected tellRefused(reason: Reason, failed = false): void {
    const [detail, input] = [this.detail(reason), this.judgement.inputOf(reason)]
    this.of.tally.meter.refuse(reason)
    this.writer.refused(this.of, { reason, detail, failed, input })
  }

  protected finish(landing: Landing): void {
    this.#close()
    if (!this.#hasBegun) this.of.tally.count()
    this.trace?.end(this.of.tally, landing.kind === 'stored')
    this.#awaitsRoute = false
    this.#body?.end()
    this.of.flight?.land(landing)
  }

  #collector(): BodyCollector {
    const { recordings, maxHandlerTime } = this.writer.parts.cache
    return new BodyCollector(recordings, this.of.mark.startedAt + maxHandlerTime, (reason) => {
      if (!this.isDone || this.#awaitsRoute) this.refuse(reason)
    })
  }

  #storing(head: ResponseHead, recorded: RecordedHead, storable: Storable, body: Buffer | undefined): Onward {
    // If the body is still to come, it is not known yet whether it will be stored.
    const isCertain = body !== undefined && this.say.isComplete && !this.writer.isTooLate(this.of, recorded)
    const status = statusField(this, head, { stored: isCertain ? true : undefined, ttl: storable.freshness.lifetime })
    const isEncoded = this.heads.codings.length > 0
    return { ...answerStored(this, head, recorded, { status, isEncoded }), record: true, before: undefined }
  }

  #refusing(head: ResponseHead, { fields: own, appended, removed }: RouteFields, reason: Reason): Onward {
    this.refuse(reason)
    const fields = statusField(this, head, { detail: this.detail(reason) })
    const made = { status: head.status, fields: asSent(head, own, appended), removed, now: this.writer.clock.now() }
    return { fields, instead: answerHidden(this.of, made, fields), record: false, before: undefined }
  }

  async #storeLater(recorded: RecordedHead, head: StoredHead, body: Buffer): Promise<void> {
    this.#close()
    this.#awaitsRoute = true
    // Until the route answers, the bytes count as a recording's, and may be dropped.
    this.#body ??= this.#collector()
    this.#body.hold(body)
    try {
      const { isGranted, tags } = await this.say.settled(this.writer.clock)
      if (!this.#awaitsRoute) return
      const told = this.heads.withTags(recorded, head, tags)
      if (isGranted) this.finish(this.writer.keep(this.of, told.recorded, told.head, body))
      else this.refuse('cache-if')
    } catch (thrown) {
      if (this.#awaitsRoute) this.#failOurselves(thrown)
    }
  }

  /** Notes that the handler has answered, or failed. */
  #noteRun(): void {
    if (this.isRelieved) return
    this.of.tally.noteRun(this.writer.clock.monotonic() - this.of.mark.startedAt)
  }

  /** Notes that a stored response replaces an error. */
  #replaceError(): void {
    this.of.tally.result = 'stale'
    this.tellRefused('stale-if-error')
    this.finish({ kind: 'failed' })
  }

  /** Reports an internal error: the handler's response is sent unchanged. */
  #failOurselves(thrown: unknown): void {
    this.writer.parts.reports.fault(thrown)
    this.tellRefused('fault')
    this.finish({ kind: 'refused' })
  }

  /** Ends the recording; further output of the handler is ignored. */
  #close(): void {
    this.isDone = true
    this.inputs?.close()
    this.#body?.forget()
  }
}

const NO_NAMES_READ: readonly string[] = Object.freeze([])

brand(ResponseRecorder, 'recorder')
