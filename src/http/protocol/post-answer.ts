import { brand } from '../../core/brand.js'
import type { Onward, Recording, Reply, ResponseHead } from '../port/exchange.js'
import type { InputsRead } from '../rules/inputs-read.js'
import { targetUri } from '../rules/invalidation.js'
import type { Reason } from '../rules/reasons.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead } from '../store/stored-response.js'
import { fieldValue } from '../syntax/fields.js'
import type { Landing } from './flight.js'
import { Invalidating } from './pass-through.js'
import type { RecordedRequest } from './recorded-request.js'
import { ResponseRecorder } from './response-recorder.js'
import { ResponseWriter } from './response-writer.js'
import type { Retiring } from './retiring.js'

/**
 * Watches the answer to a POST: it invalidates as any unsafe request does, and is stored for GET and HEAD when it says that
 * it is what they would get (RFC 9110, section 9.3.3).
 */
export class PostAnswer extends Invalidating {
  override readonly wants = 'response'
  readonly recorder: ResponseRecorder
  readonly inputs: InputsRead | undefined
  readonly #writer: PostWriter
  #isRecorded = false

  constructor(recorder: ResponseRecorder, writer: PostWriter, retiring: readonly Retiring[]) {
    const { request } = recorder.of
    // What Cache-Status says is the recorder's to say.
    super(recorder.handle, undefined, { request, retiring, onFault: (thrown) => writer.parts.reports.fault(thrown) })
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
    // In this order: what others have invalidated while the handler ran keeps the answer out, what it does itself does not.
    const onward = this.recorder.begin(head, whole)
    const { before } = super.begin(head)
    this.#writer.ownIsDone()
    return { ...onward, before }
  }

  override write(chunk?: Uint8Array | string): boolean {
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

  override leave(mayKnow: () => boolean): void {
    this.recorder.leave(mayKnow)
  }

  override abort(reason?: 'aborted' | 'trailers'): void {
    if (reason !== undefined) this.recorder.abort(reason)
  }

  override fail(error: unknown): Reply | undefined {
    return this.recorder.fail(error)
  }

  override standDown(): void {
    super.standDown()
    this.recorder.standDown()
  }

  /** What cannot be for GET is not worth looking at: most POSTs are none of the cache's business. */
  #isForGet(head: ResponseHead): boolean {
    if (head.status !== 200 || !this.recorder.policy.storage.methods.has('POST')) return false
    const { request } = this.recorder.of
    const location = fieldValue({ location: head.field('content-location') }, 'location')
    const target = targetUri(request)
    return location !== undefined && target !== undefined && targetUri(request, location)?.href === target.href
  }
}

/**
 * Stores the answer to a POST: as one that was made after what this very POST invalidates, and before all else that is
 * invalidated after its handler started.
 */
export class PostWriter extends ResponseWriter {
  #sequence: number | undefined

  constructor({ parts, precompressor }: ResponseWriter) {
    super(parts, precompressor)
  }

  override refuses(of: RecordedRequest, recorded: RecordedHead): Reason | undefined {
    return this.isInvalidated(of, recorded) ? 'invalidated' : super.refuses(of, recorded)
  }

  /** What the POST invalidates has just been taken out of use in this process. */
  ownIsDone(): void {
    this.#sequence = this.parts.cache.mark().sequence
  }

  override keep(of: RecordedRequest, recorded: RecordedHead, stored: StoredHead, body: Buffer): Landing {
    const { startedAt, sequence } = of.mark
    // The log has been told by now, and everything before that record has been applied here: whatever of it covers the
    // answer has a later sequence, and keeps it out.
    const mark = { startedAt, sequence: this.#sequence ?? sequence, stamp: this.parts.cache.mark().stamp }
    return super.keep({ ...of, mark }, recorded, stored, body)
  }

  /** A POST is no question about what is stored. */
  override discard(): void {}

  override outdate(): void {}
}

/** The recording that may store the response to a request; `undefined`: none may. */
export function recorderIn(recording: Recording): ResponseRecorder | undefined {
  if (recording instanceof PostAnswer) return recording.recorder
  return recording instanceof ResponseRecorder ? recording : undefined
}

brand(PostAnswer, 'post-answer')
