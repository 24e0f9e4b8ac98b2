import { brand } from '../../core/brand.js'
import type { CacheEngine } from '../../core/engine.js'
import type { Onward, Recording, Reply, RequestHead, ResponseHead } from '../port/exchange.js'
import type { InputsRead } from '../rules/inputs-read.js'
import { targetUri } from '../rules/invalidation.js'
import type { Reason } from '../rules/reasons.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead } from '../store/stored-response.js'
import { fieldValue } from '../syntax/fields.js'
import { Fill } from './fill.js'
import type { FillRequest, FillTarget } from './fill-request.js'
import type { Landing } from './flight.js'
import type { Keeper } from './keeper.js'
import { Invalidating } from './pass.js'
import type { Retiring } from './retiring.js'

/**
 * Watches the answer to a POST: it invalidates as any unsafe request does, and is stored for GET and HEAD when it says that
 * it is what they would get (RFC 9110, section 9.3.3).
 */
export class PostAnswer extends Invalidating {
  override readonly wants = 'response'
  readonly fill: Fill
  readonly inputs: InputsRead | undefined
  readonly #request: RequestHead
  readonly #target: PostTarget
  #isRecorded = false

  constructor(
    fill: Fill,
    target: PostTarget,
    request: RequestHead,
    retiring: readonly Retiring[],
    onFault: (thrown: unknown) => void,
  ) {
    // What Cache-Status says is the recording's to say.
    super(fill.handle, undefined, request, retiring, onFault)
    this.fill = fill
    this.inputs = fill.inputs
    this.#request = request
    this.#target = target
  }

  override begin(head: ResponseHead, whole?: Uint8Array | string): Onward {
    if (!this.#isForGet(head)) {
      const isStored = this.fill.policy.storage.methods.has('POST')
      return { ...this.fill.passBy(head, isStored ? 'content-location' : 'method'), before: super.begin(head).before }
    }
    this.#isRecorded = true
    // In this order: what others have invalidated while the handler ran keeps the answer out, what it does itself does not.
    const onward = this.fill.begin(head, whole)
    const { before } = super.begin(head)
    this.#target.ownIsDone()
    return { ...onward, before }
  }

  override write(chunk?: Uint8Array | string): boolean {
    return this.#isRecorded && chunk !== undefined && this.fill.write(chunk)
  }

  override pause(): void {
    if (this.#isRecorded) this.fill.pause()
  }

  override resume(): void {
    this.fill.resume()
  }

  override end(): void {
    if (this.#isRecorded) this.fill.end()
  }

  override leave(mayKnow: () => boolean): void {
    this.fill.leave(mayKnow)
  }

  override abort(reason?: 'aborted' | 'trailers'): void {
    if (reason !== undefined) this.fill.abort(reason)
  }

  override fail(error: unknown): Reply | undefined {
    return this.fill.fail(error)
  }

  override standDown(): void {
    super.standDown()
    this.fill.standDown()
  }

  /** What cannot be for GET is not worth looking at: most POSTs are none of the cache's business. */
  #isForGet(head: ResponseHead): boolean {
    if (head.status !== 200 || !this.fill.policy.storage.methods.has('POST')) return false
    const location = fieldValue({ location: head.field('content-location') }, 'location')
    const target = targetUri(this.#request)
    return location !== undefined && target !== undefined && targetUri(this.#request, location)?.href === target.href
  }
}

/**
 * Where the answer to a POST is kept: as one that was made after what this very POST invalidates, and before all else that
 * is invalidated after its handler started.
 */
export class PostTarget implements FillTarget {
  readonly #cache: CacheEngine
  readonly #keeper: Keeper
  #sequence: number | undefined

  constructor(cache: CacheEngine, keeper: Keeper) {
    this.#cache = cache
    this.#keeper = keeper
  }

  get clock() {
    return this.#keeper.clock
  }

  get recordings() {
    return this.#keeper.recordings
  }

  get maxHandlerTime() {
    return this.#keeper.maxHandlerTime
  }

  refuses(of: FillRequest, recorded: RecordedHead): Reason | undefined {
    return this.#keeper.isInvalidated(of, recorded) ? 'invalidated' : this.#keeper.refuses(of, recorded)
  }

  isTooLate(of: FillRequest, recorded: RecordedHead): boolean {
    return this.#keeper.isTooLate(of, recorded)
  }

  /** What the POST invalidates has just been taken out of use in this process. */
  ownIsDone(): void {
    this.#sequence = this.#cache.mark().sequence
  }

  keep(of: FillRequest, recorded: RecordedHead, stored: StoredHead, body: Buffer): Landing {
    const { startedAt, sequence } = of.mark
    // The log has been told by now, and everything before that record has been applied here: whatever of it covers the
    // answer has a later sequence, and keeps it out.
    const mark = { startedAt, sequence: this.#sequence ?? sequence, stamp: this.#cache.mark().stamp }
    return this.#keeper.keep({ ...of, mark }, recorded, stored, body)
  }

  refused(of: FillRequest, reason: Reason, detail: string, failed: boolean, input?: string): void {
    this.#keeper.refused(of, reason, detail, failed, input)
  }

  /** A POST is no question about what is stored. */
  discard(): void {}

  outdate(): void {}

  advise(topic: string, text: () => string): void {
    this.#keeper.advise(topic, text)
  }

  fault(thrown: unknown): void {
    this.#keeper.fault(thrown)
  }
}

/** The recording that may store the response to a request; `undefined`: none may. */
export function fillIn(recording: Recording): Fill | undefined {
  if (recording instanceof PostAnswer) return recording.fill
  return recording instanceof Fill ? recording : undefined
}

brand(PostAnswer, 'post-answer')
