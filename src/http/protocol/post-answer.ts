import { brand } from '../../core/brand.js'
import type { Onward, Recording, ResponseHead } from '../port/recording.js'
import type { Reply } from '../port/reply.js'
import type { InputsRead } from '../rules/inputs-read.js'
import { targetUri } from '../rules/invalidation.js'
import type { Reason } from '../rules/reasons.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead } from '../store/stored-head.js'
import { fieldValue } from '../syntax/fields.js'
import type { Landing } from './flight.js'
import { Invalidating } from './pass-through.js'
import type { RecordedRequest } from './recorded-request.js'
import { ResponseRecorder } from './response-recorder.js'
import { ResponseWriter } from './response-writer.js'
import type { Retiring } from './retiring.js'

/**
 * Observes the response to a POST. It invalidates like any unsafe request, and is stored for GET and HEAD if its
 * Content-Location equals the target URI (RFC 9110, section 9.3.3).
 */
export class PostAnswer extends Invalidating {
  override readonly wants = 'response'
  readonly recorder: ResponseRecorder
  readonly inputs: InputsRead | undefined
  readonly #writer: PostWriter
  #isRecorded = false

  constructor(recorder: ResponseRecorder, writer: PostWriter, retiring: readonly Retiring[]) {
    const { request } = recorder.of
    // Not given the status: the recorder adds Cache-Status.
    const onFault = (thrown: unknown) => writer.parts.reports.fault(thrown)
    super(recorder.handle, undefined, { request, retiring, onFault, tally: undefined })
    this.recorder = recorder
    this.inputs = recorder.inputs
    this.#writer = writer
  }

  override begin(head: ResponseHead, whole?: Uint8Array | string): Onward {
    if (!this.#isForGet(head)) {
      const isStored = this.recorder.policy.storage.methods.has('POST')
      return {
        ...this.recorder.passBy(head, isStored ? 'content-location' : 'method'),
        before: super.begin(head).before,
      }
    }
    this.#isRecorded = true
    // In this order, so that invalidations by other requests during the run prevent storing, but those of this POST do
    // not.
    const onward = this.recorder.begin(head, whole)
    const { before } = super.begin(head)
    this.#writer.ownIsDone()
    return { ...onward, before }
  }

  override write(chunk?: Buffer | string): boolean {
    return this.#isRecorded && chunk !== undefined && this.recorder.write(chunk)
  }

  override pause(): void {
    if (this.#isRecorded) this.recorder.pause()
  }

  override resume(): void {
    this.recorder.resume()
  }

  override end(): void {
    if (this.#isRecorded) this.recorder.end()
  }

  override leave(): void {
    this.recorder.leave()
  }

  override abort(reason?: 'aborted' | 'trailers' | 'fault'): void {
    if (reason !== undefined) this.recorder.abort(reason)
  }

  override fail(error: unknown): Reply | undefined {
    return this.recorder.fail(error)
  }

  override standDown(): void {
    super.standDown()
    this.recorder.standDown()
  }

  /** Whether the response may be stored for GET; checked first, because most responses to POST are not. */
  #isForGet(head: ResponseHead): boolean {
    if (head.status !== 200 || !this.recorder.policy.storage.methods.has('POST')) return false
    const { request } = this.recorder.of
    const location = fieldValue({ location: head.field('content-location') }, 'location')
    const target = targetUri(request)
    return location !== undefined && target !== undefined && targetUri(request, location)?.href === target.href
  }
}

/**
 * Stores the response to a POST. The response counts as made after the invalidations of the same POST, but before all
 * other invalidations since its handler started.
 */
export class PostWriter extends ResponseWriter {
  #sequence: number | undefined

  constructor({ parts, precompressor }: ResponseWriter) {
    super(parts, precompressor)
  }

  override refuses(of: RecordedRequest, recorded: RecordedHead): Reason | undefined {
    return this.isInvalidated(of, recorded) ? 'invalidated' : super.refuses(of, recorded)
  }

  /** Notes that the invalidations of the POST have been applied in this process. */
  ownIsDone(): void {
    this.#sequence = this.parts.cache.mark().sequence
  }

  override keep(of: RecordedRequest, recorded: RecordedHead, stored: StoredHead, body: Buffer): Landing {
    const { startedAt, sequence } = of.mark
    // The log record has been sent, and all records before it are applied here: later records that
    // affect the response have a higher sequence, and prevent storing.
    const mark = { startedAt, sequence: this.#sequence ?? sequence, stamp: this.parts.cache.mark().stamp }
    return super.keep({ ...of, mark }, recorded, stored, body)
  }

  /** A POST does not revalidate a stored response, so it neither discards nor outdates one. */
  override discard(): void {}

  override outdate(): void {}
}

/** The recorder that may store the response to a request; `undefined` if there is none. */
export function recorderIn(recording: Recording): ResponseRecorder | undefined {
  if (recording instanceof PostAnswer) return recording.recorder
  return recording instanceof ResponseRecorder ? recording : undefined
}

brand(PostAnswer, 'post-answer')
