import { brand } from '../../core/brand.js'
import type { CacheEngine } from '../../core/engine.js'
import type { Onward, Recording, Reply, RequestHead, ResponseHead } from '../port/exchange.js'
import type { InputsRead } from '../rules/inputs-read.js'
import { targetUri } from '../rules/invalidation.js'
import type { Reason } from '../rules/reasons.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead } from '../store/stored-response.js'
import { fieldValue } from '../syntax/fields.js'
import type { Landing } from './flight.js'
import { Invalidating } from './pass-through.js'
import type { RecordedRequest, RecorderTarget } from './recorded-request.js'
import { ResponseRecorder } from './response-recorder.js'
import type { ResponseWriter } from './response-writer.js'
import type { Retiring } from './retiring.js'

/**
 * Watches the answer to a POST: it invalidates as any unsafe request does, and is stored for GET and HEAD when it says that
 * it is what they would get (RFC 9110, section 9.3.3).
 */
export class PostAnswer extends Invalidating {
  override readonly wants = 'response'
  readonly recorder: ResponseRecorder
  readonly inputs: InputsRead | undefined
  readonly #request: RequestHead
  readonly #target: PostTarget
  #isRecorded = false

  constructor(
    recorder: ResponseRecorder,
    target: PostTarget,
    request: RequestHead,
    retiring: readonly Retiring[],
    onFault: (thrown: unknown) => void,
  ) {
    // What Cache-Status says is the recording's to say.
    super(recorder.handle, undefined, request, retiring, onFault)
    this.recorder = recorder
    this.inputs = recorder.inputs
    this.#request = request
    this.#target = target
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
    this.#target.ownIsDone()
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
    const location = fieldValue({ location: head.field('content-location') }, 'location')
    const target = targetUri(this.#request)
    return location !== undefined && target !== undefined && targetUri(this.#request, location)?.href === target.href
  }
}

/**
 * Where the answer to a POST is kept: as one that was made after what this very POST invalidates, and before all else that
 * is invalidated after its handler started.
 */
export class PostTarget implements RecorderTarget {
  readonly #cache: CacheEngine
  readonly #writer: ResponseWriter
  #sequence: number | undefined

  constructor(cache: CacheEngine, writer: ResponseWriter) {
    this.#cache = cache
    this.#writer = writer
  }

  get clock() {
    return this.#writer.clock
  }

  get recordings() {
    return this.#writer.recordings
  }

  get maxHandlerTime() {
    return this.#writer.maxHandlerTime
  }

  refuses(of: RecordedRequest, recorded: RecordedHead): Reason | undefined {
    return this.#writer.isInvalidated(of, recorded) ? 'invalidated' : this.#writer.refuses(of, recorded)
  }

  isTooLate(of: RecordedRequest, recorded: RecordedHead): boolean {
    return this.#writer.isTooLate(of, recorded)
  }

  /** What the POST invalidates has just been taken out of use in this process. */
  ownIsDone(): void {
    this.#sequence = this.#cache.mark().sequence
  }

  keep(of: RecordedRequest, recorded: RecordedHead, stored: StoredHead, body: Buffer): Landing {
    const { startedAt, sequence } = of.mark
    // The log has been told by now, and everything before that record has been applied here: whatever of it covers the
    // answer has a later sequence, and keeps it out.
    const mark = { startedAt, sequence: this.#sequence ?? sequence, stamp: this.#cache.mark().stamp }
    return this.#writer.keep({ ...of, mark }, recorded, stored, body)
  }

  refused(of: RecordedRequest, reason: Reason, detail: string, failed: boolean, input?: string): void {
    this.#writer.refused(of, reason, detail, failed, input)
  }

  /** A POST is no question about what is stored. */
  discard(): void {}

  outdate(): void {}

  advise(topic: string, text: () => string): void {
    this.#writer.advise(topic, text)
  }

  fault(thrown: unknown): void {
    this.#writer.fault(thrown)
  }
}

/** The recording that may store the response to a request; `undefined`: none may. */
export function recorderIn(recording: Recording): ResponseRecorder | undefined {
  if (recording instanceof PostAnswer) return recording.recorder
  return recording instanceof ResponseRecorder ? recording : undefined
}

brand(PostAnswer, 'post-answer')
