import { brand } from '../../core/brand.js'
import type { OpenRecording } from '../../core/recordings.js'
import type { Onward, Recording, Reply, ResponseHead } from '../port/exchange.js'
import { FinishedResponse } from '../port/finished-response.js'
import { ResponseNotes } from '../port/response-notes.js'
import { codingsFor } from '../rules/encodable.js'
import { isEndless } from '../rules/endless-types.js'
import { InputsRead } from '../rules/inputs-read.js'
import { type InputsContext, type InputsVerdict, judgeInputs, NO_INPUTS } from '../rules/inputs-verdict.js'
import type { Reason } from '../rules/reasons.js'
import { isClientError, isStaleIfErrorStatus } from '../rules/stale.js'
import { isStorable, type Storable } from '../rules/storable.js'
import { refuseBody, refuseFraming } from '../rules/storable-body.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import { isConfirmedBy, isConfirmedByHead, isFreshenedBy } from '../rules/stored-fields.js'
import { selectingFields, uniteVary } from '../rules/vary.js'
import { type CombinedParts, combinedBody, combinedFields, combinedParts } from '../store/combined-parts.js'
import { encodingsToMake } from '../store/encodings.js'
import { freshened, updatedRoute } from '../store/freshened.js'
import { type RecordedHead, recordHead, withEntityTag, withSelecting } from '../store/recorded-response.js'
import { NO_NAMES, PER_RUN_FIELDS, type RouteFields, routeFields, toFieldList } from '../store/route-fields.js'
import type { StoredHead } from '../store/stored-response.js'
import type { CacheStatus } from '../syntax/cache-status.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import { listEntityTags } from '../syntax/entity-tag.js'
import { type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { parseNoVarySearch } from '../syntax/no-vary-search.js'
import { answerConditions } from './answer.js'
import type { Landing } from './flight.js'
import { adviceOn } from './inputs-advice.js'
import { AS_IT_IS, cacheStatusField } from './pass-through.js'
import { carriesNonce, isLoggedIn } from './personal.js'
import type { Asked, RecordedRequest, RecorderPolicy, RecorderTarget } from './recorded-request.js'
import { RouteSay } from './route-say.js'

/** Records what a handler answers, and has it stored when it may be. */
export class ResponseRecorder implements Recording, OpenRecording {
  readonly wants = 'response'
  readonly handle = new ResponseNotes()
  readonly of: RecordedRequest
  policy: RecorderPolicy
  readonly inputs: InputsRead | undefined
  readonly #target: RecorderTarget
  #recorded: RecordedHead | undefined
  /** What the stored response is going to be encoded with. */
  #codings: readonly ContentCoding[] = NO_CODINGS
  /** The head of what arrives, where it is joined to a stored part. */
  #added: { readonly parts: CombinedParts; readonly fields: Fields } | undefined
  /** The inputs of the run as they were when the head was judged, and what follows from them. */
  #inputsAtHead: { readonly version: number; readonly context: InputsContext } | undefined
  #verdict: InputsVerdict = NO_INPUTS
  #failed = false
  #chunks: Buffer[] = []
  #length = 0
  #done = false
  #standsDown = false
  /** Set once the client has left: whether the handler may have stopped because of it. */
  #mayHaveStopped: (() => boolean) | undefined
  #isWhole = false
  /** Status and fields of the response as its route made them. */
  #made: Pick<FinishedResponse, 'status' | 'fields'> | undefined
  readonly #say = new RouteSay()
  /** The response is complete, and its route has still to say whether and how it is stored. */
  #awaitsRoute = false

  constructor(of: RecordedRequest, policy: RecorderPolicy, target: RecorderTarget) {
    this.of = of
    this.policy = policy
    const isWatched = of.request.method !== 'POST' || policy.storage.methods.has('POST')
    this.inputs =
      policy.inputs !== undefined && isWatched
        ? new InputsRead(policy.keyedParameters, policy.inputs.ignored, policy.filledNames, policy.inputs.counted)
        : undefined
    this.#target = target
  }

  begin(head: ResponseHead, whole?: Uint8Array | string): Onward {
    if (this.#done && !this.#standsDown) return AS_IT_IS
    this.inputs?.pause()
    try {
      return this.#begin(head, whole)
    } catch (thrown) {
      this.#failOurselves(thrown)
      return { ...AS_IT_IS, fields: this.#statusOfFault(head) }
    } finally {
      this.inputs?.resume()
    }
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.#done || this.#recorded === undefined) return false
    const bytes = ownBytes(chunk)
    this.#length += bytes.length
    if (this.#length > this.policy.storage.maxBodySize) {
      this.#refuse('too-large')
      return false
    }
    this.#chunks.push(bytes)
    this.#target.recordings.grow(this, bytes.length)
    return !this.#done
  }

  pause(): void {
    if (!this.#done) this.of.flight?.pause()
  }

  resume(): void {
    this.of.flight?.resume()
  }

  get endsAt(): number {
    return this.of.mark.startedAt + this.#target.maxHandlerTime
  }

  drop(reason: 'too-slow' | 'recordings-full'): void {
    if (!this.#done || this.#awaitsRoute) this.#refuse(reason)
  }

  end(): void {
    if (this.#done) return
    try {
      this.#keep()
    } catch (thrown) {
      this.#failOurselves(thrown)
    }
  }

  leave(mayKnow: () => boolean): void {
    this.#mayHaveStopped ??= mayKnow
    if (!this.#awaitsRoute) this.#abandon()
  }

  abort(reason: 'aborted' | 'trailers'): void {
    if (!this.#done) this.#refuse(reason)
  }

  fail(error: unknown): Reply | undefined {
    if (this.#done) return undefined
    if (isClientError(error)) {
      this.#refuse('status')
      return undefined
    }
    const instead = this.of.onError?.(undefined)
    this.#failed = true
    if (instead === undefined) this.#refuse('aborted')
    else this.#replaceError()
    return instead
  }

  /** Has an answer go on that is not looked at, for a reason that is known beforehand. */
  passBy(head: ResponseHead, reason: Reason): Onward {
    if (this.#done) return AS_IT_IS
    this.#refuse(reason)
    return { ...AS_IT_IS, fields: this.#status(head, { detail: reason }) }
  }

  /** Leaves the request to be decided upon anew; somebody else takes over for those who wait. */
  giveUp(): void {
    this.#abandon()
    this.standDown()
  }

  /** Leaves the work to a middleware further in; nobody waits for this one any more. */
  standDown(): void {
    this.#standsDown = true
    this.#finish({ kind: 'refused' })
  }

  #abandon(): void {
    this.of.flight?.land({ kind: 'abandoned' })
  }

  #begin(head: ResponseHead, whole: Uint8Array | string | undefined): Onward {
    const { asked } = this.of
    // The validators on the request were ours, whoever answers it: no client may get a 304 for them.
    if (asked?.by === '304' && head.status === 304) return this.#onNotModified(head, asked)
    if (this.#standsDown) return AS_IT_IS
    this.#failed = head.status >= 500
    const instead = isStaleIfErrorStatus(head.status) ? this.of.onError?.(head.status) : undefined
    if (instead !== undefined) {
      this.#replaceError()
      return { ...AS_IT_IS, instead }
    }
    if (asked?.by === 'HEAD') return this.#onHead(head, asked)
    return this.#record(head, whole)
  }

  #record(head: ResponseHead, whole: Uint8Array | string | undefined): Onward {
    const { storage } = this.policy
    const route = this.#routeOf(head)
    const receivedAt = this.#target.clock.now()
    const parts = this.#partsWith(head, route)
    const united = parts === undefined ? route : this.#unitedRoute(parts, route, receivedAt)
    const status = parts?.isWhole === true ? 200 : head.status
    const storable = this.#judge(head, united, receivedAt, status)
    if (typeof storable === 'string') return this.#refusing(head, route, storable)
    if (this.#isForOneRequest(head.status)) return this.#refusing(head, route, 'precondition')
    const misfit = whole === undefined ? refuseLength(route, storage) : this.#refusalOfWhole(head.status, route, whole)
    if (misfit !== undefined) return this.#refusing(head, route, misfit)
    this.#isWhole = whole !== undefined
    if (this.#mayHaveStopped !== undefined && (whole === undefined || this.#mayHaveStopped())) {
      return this.#refusing(head, route, 'aborted')
    }
    const body = whole === undefined ? undefined : ownBytes(whole)
    const line = { status, reason: status === head.status ? head.reason : undefined }
    const selecting = parts === undefined ? NO_INPUT_NAMES : (this.of.part?.selecting ?? NO_INPUT_NAMES)
    const recorded = this.#recordedHead(
      line,
      united,
      storable,
      receivedAt,
      selecting,
      parts === undefined ? body : undefined,
    )
    const refused = this.#target.refuses(this.of, recorded)
    if (refused !== undefined) return this.#refusing(head, route, refused)
    this.#recorded = recorded
    this.#made = { status, fields: united.fields }
    const unwanted = body === undefined || parts !== undefined ? undefined : this.#askRoute(body)
    if (unwanted !== undefined) return this.#refusing(head, route, unwanted)
    if (parts !== undefined) this.#added = { parts, fields: route.fields }
    if (body !== undefined) {
      this.#chunks = [body]
      this.#length = body.length
    }
    if (whole === undefined) this.of.flight?.stream()
    return this.#storing(head, recorded, storable, body)
  }

  /** A body that is whole is judged with its head: what is not going to be stored is not said to be. */
  #refusalOfWhole(status: number, { fields }: RouteFields, whole: Uint8Array | string): Reason | undefined {
    return refuseBody(
      { status, fields },
      { length: byteLength(whole), ended: true, trailers: false },
      this.policy.storage,
    )
  }

  /** Whether an answer may owe what it is to the range or the conditions that the handler saw, and would be wrong for other requests. */
  #isForOneRequest(status: number): boolean {
    const { sees } = this.of
    if (sees === undefined || status === 206) return false
    if (status !== 200) return true
    if (sees !== 'range') return false
    const { inputs } = this
    if (inputs !== undefined) return inputs.range || inputs.everyField
    // Whether a handler that shares the process has read Range is not known; an origin is taken at its word (RFC 9111, section 3).
    return this.policy.storage.answersAsOrigin
  }

  /** What the answer makes together with the part that is stored. */
  #partsWith(head: ResponseHead, route: RouteFields): CombinedParts | undefined {
    const { part } = this.of
    if (part === undefined || head.status !== 206 || !this.policy.storage.storePartial) return undefined
    return combinedParts(part, route.fields, this.policy.storage.maxBodySize)
  }

  #unitedRoute(parts: CombinedParts, route: RouteFields, receivedAt: number): RouteFields {
    return combinedFields(updatedRoute(parts.stored, route, this.policy.storage.targets, receivedAt), parts)
  }

  #routeOf(head: ResponseHead): RouteFields {
    const { storage, dropPerRun } = this.policy
    return routeFields(
      head,
      ['cache-control', 'expires', 'no-vary-search', ...storage.targets],
      dropPerRun ? PER_RUN_FIELDS : NO_NAMES,
    )
  }

  #recordedHead(
    head: Pick<ResponseHead, 'status' | 'reason'>,
    route: RouteFields,
    storable: Storable,
    receivedAt: number,
    selecting: readonly string[],
    body: Buffer | undefined,
  ): RecordedHead {
    const { request, nested, requestedAt } = this.of
    const { exactVary, maxVariants } = this.policy
    const vary = [...this.policy.vary, ...selecting, ...this.#verdict.selecting]
    const tags = [...this.handle.tags, ...this.#say.tagsBy(this.policy.tags)]
    const cost = Math.max(0, receivedAt - requestedAt)
    this.#codings = this.#codingsOf(head.status, route, storable, body)
    const observed = this.#verdict.selecting
    const made = { request, observed, ...keyOf(this.of, route), head, route, storable, receivedAt, cost, body }
    return recordHead({ ...made, vary, exactVary, maxVariants, tags, nested })
  }

  #codingsOf(
    status: number,
    route: RouteFields,
    storable: Storable,
    body: Buffer | undefined,
  ): readonly ContentCoding[] {
    const { precompress } = this.policy
    if (precompress === undefined) return NO_CODINGS
    const announced = body?.length ?? fieldValue(route.fields, 'content-length')
    const length = announced === undefined ? undefined : Number(announced)
    return codingsFor(precompress, { status, fields: route.deciding, control: storable.by.control, length })
  }

  /** The stored response is right: its fields are updated, and the client gets it (RFC 9111, section 4.3.4). */
  #onNotModified(head: ResponseHead, asked: Asked): Onward {
    const route = this.#routeOf(head)
    if (isFreshenedBy(asked.stored.validators, route.fields, this.#target.clock.now())) {
      return { ...AS_IT_IS, instead: this.#update(head, route, asked) }
    }
    const isConfirmed = isConfirmedBy(asked.stored.validators, route.fields)
    if (!isConfirmed) this.#target.outdate(this.of, asked.stored)
    this.#target.refused(this.of, 'wrong-validator', 'wrong-validator', false)
    this.#finish({ kind: 'abandoned' })
    if (isConfirmed) return { ...AS_IT_IS, instead: asked.answer(asked.stored, { detail: 'wrong-validator' }) }
    const { conditions = {} } = this.of
    const known = listEntityTags(fieldValue(conditions, 'if-none-match') ?? '')
    const isForClient = known.includes(fieldValue(route.fields, 'etag') ?? '')
    return isForClient
      ? AS_IT_IS
      : { ...AS_IT_IS, instead: badGateway(this.#status(head, { detail: 'wrong-validator' })) }
  }

  /** What a HEAD tells of the stored response to GET (RFC 9111, section 4.3.5). */
  #onHead(head: ResponseHead, asked: Asked): Onward {
    const status = this.#status(head, { detail: 'head' })
    if (head.status === 200) {
      const route = this.#routeOf(head)
      const { stored } = asked
      if (!isConfirmedByHead(stored.validators, stored.body.length, route.fields)) {
        this.#target.outdate(this.of, stored)
      } else if (VALIDATORS.some((name) => route.fields[name] !== undefined)) {
        this.#update(head, route, asked)
      }
    }
    if (!this.#done) this.#refuse('head')
    return { ...AS_IT_IS, fields: status }
  }

  #update(head: ResponseHead, route: RouteFields, asked: Asked): Reply {
    const { stored } = asked
    const receivedAt = this.#target.clock.now()
    const updated = updatedRoute(stored, route, this.policy.storage.targets, receivedAt)
    const verdict = this.#judge(head, updated, receivedAt, stored.status)
    if (this.#standsDown || typeof verdict === 'string') {
      const reason = typeof verdict === 'string' ? verdict : 'skip'
      if (!this.#standsDown) {
        if (LASTING.has(reason)) this.#target.discard(this.of.storageKey)
        this.#refuse(reason)
      }
      return this.#answerRefused(asked, updated, receivedAt, reason)
    }
    // What the stored response was made from it is made from still, whatever this run has read.
    const recorded = this.#recordedHead(stored, updated, verdict, receivedAt, stored.selecting, undefined)
    // The bytes are the same, and so is what they are encoded to.
    const isEncoded = stored.encodings !== undefined && this.#codings.length > 0
    const encodings = isEncoded ? stored.encodings : encodingsToMake(this.#codings, stored.body.length)
    const storedHead = { ...recorded.stored, ownEntityTag: stored.ownEntityTag, encodings }
    this.#made = { status: stored.status, fields: updated.fields }
    const unwanted = this.#askRoute(stored.body)
    if (unwanted !== undefined) {
      this.#refuse(unwanted)
      return this.#answerRefused(asked, updated, receivedAt, unwanted)
    }
    const landing = this.#store(recorded, storedHead, isEncoded ? stored.entry.body : stored.body)
    if (landing?.kind === 'stored') return asked.answer(landing.stored, { stored: true })
    const outcome = landing?.reason === undefined ? {} : { detail: landing.reason }
    return asked.answer(freshened(stored, updated, this.of.requestedAt, receivedAt), outcome)
  }

  #answerRefused(asked: Asked, updated: RouteFields, receivedAt: number, reason: Reason): Reply {
    const response = freshened(asked.stored, updated, this.of.requestedAt, receivedAt)
    return asked.answer(response, { detail: this.#detail(reason) })
  }

  /** Why the response is not stored, or all that its entry needs. */
  #judge(head: ResponseHead, route: RouteFields, receivedAt: number, status = head.status): Reason | Storable {
    const { handle, of } = this
    if (handle.fault !== undefined) {
      this.#target.fault(handle.fault)
      return 'fault'
    }
    if (handle.skipped !== undefined) return 'skip'
    if (isEndless(route.deciding, this.policy.storage.endlessTypes)) return 'event-stream'
    const response = { status, fields: route.deciding }
    const times = { requestedAt: of.requestedAt, receivedAt, ttl: handle.lifetime }
    const verdict = isStorable(of.request, response, times, this.policy.storage)
    if (!verdict.storable) return verdict.reason
    const framing = refuseFraming(route.deciding)
    if (framing !== undefined) return framing
    if (head.isUnanswered === true) return 'unanswered'
    if (!of.personal && isLoggedIn(head.user, head.session)) return 'logged-in'
    if (carriesNonce(head)) return 'csp-nonce'
    return this.#judgeInputs(route, verdict) ?? verdict
  }

  /** Why the inputs of the run keep its response from being stored; notes by which of them it is selected. */
  #judgeInputs(route: RouteFields, { by }: Storable): Reason | undefined {
    const { inputs, of, policy } = this
    if (inputs === undefined || policy.inputs === undefined) return undefined
    const vary = selectingFields(route.deciding, policy.vary, policy.exactVary)
    if (vary === '*') return 'vary-star'
    const context = {
      request: of.request,
      control: by.control,
      selecting: vary,
      storage: policy.storage,
      policy: policy.inputs,
    }
    this.#inputsAtHead = { version: inputs.version, context }
    return this.#conclude(inputs, context)
  }

  #conclude(inputs: InputsRead, context: InputsContext): Reason | undefined {
    this.#verdict = judgeInputs(inputs, context)
    const advice = adviceOn(this.#verdict, inputs, this.of.request)
    for (const { topic, text } of advice) this.#target.advise(topic, text)
    return this.#verdict.refusal
  }

  /** As {@link #judgeInputs}, for what was read after the head was judged. */
  #judgeLateInputs(recorded: RecordedHead): Reason | RecordedHead {
    const { inputs } = this
    const atHead = this.#inputsAtHead
    if (inputs === undefined || atHead === undefined || inputs.version === atHead.version) return recorded
    return this.#conclude(inputs, atHead.context) ?? withSelecting(recorded, this.of.request, this.#verdict.selecting)
  }

  #storing(head: ResponseHead, recorded: RecordedHead, storable: Storable, body: Buffer | undefined): Onward {
    // Of a body that is still to come it is not known whether it will be.
    const isCertain = body !== undefined && this.#hasRouteAnswered && !this.#target.isTooLate(this.of, recorded)
    const stored = isCertain ? true : undefined
    const status = this.#status(head, { stored, ttl: storable.freshness.lifetime })
    const fields = this.#withVary(head, asSent(head, recorded.fields, recorded.stored.appended))
    const added: FieldValue[] = [...status]
    const { etag } = fields
    if (this.#codings.length > 0) added.push('Vary', fields.vary ?? '')
    if (etag !== undefined && head.field('etag') === undefined) added.push('ETag', etag)
    const instead = this.#onConditions(head, fields, status)
    return { fields: added, instead, record: true, before: undefined }
  }

  /** What is going to be sent encoded says so from its first answer on: whoever stores it on the way has to know. */
  #withVary(head: ResponseHead, fields: Fields): Fields {
    if (this.#codings.length === 0) return fields
    return { ...fields, vary: uniteVary(fieldValue({ vary: head.field('vary') }, 'vary'), 'Accept-Encoding') }
  }

  #refusing(head: ResponseHead, route: RouteFields, reason: Reason): Onward {
    this.#refuse(reason)
    const status = this.#status(head, { detail: this.#detail(reason) })
    const instead = this.#onConditions(head, asSent(head, route.fields, route.appended), status)
    return { fields: status, instead, record: false, before: undefined }
  }

  /** What a client gets whose conditions were hidden from the handler. */
  #onConditions(head: ResponseHead, fields: Fields, status: FieldList): Reply | undefined {
    const { conditions, request } = this.of
    if (conditions === undefined) return undefined
    const reply = answerConditions(request, { status: head.status, fields, now: this.#target.clock.now() })
    return reply && { ...reply, fields: [...toFieldList(reply.fields), ...status] }
  }

  #status(head: ResponseHead, more: CacheStatus): FieldList {
    const { cacheStatus } = this.policy
    if (cacheStatus === false) return []
    const { fwd, collapsed, key } = this.of
    const debug = cacheStatus === 'debug' ? { key: key.text } : {}
    return cacheStatusField(head, { fwd, fwdStatus: head.status, collapsed, ...more, ...debug })
  }

  #keep(): void {
    const begun = this.#recorded
    const refusal = begun === undefined ? 'incomplete' : this.#refusalOfBody(begun)
    if (begun === undefined || refusal !== undefined) {
      this.#refuse(refusal ?? 'incomplete')
      return
    }
    const recorded = this.#judgeLateInputs(begun)
    if (typeof recorded === 'string') {
      this.#refuse(recorded)
      return
    }
    const received = joined(this.#chunks, this.#length)
    const body = this.#added === undefined ? received : combinedBody(this.#added.parts, received)
    if (body === undefined) {
      this.#refuse('incomplete')
      return
    }
    const head = withEntityTag(recorded, body)
    const encodings = encodingsToMake(this.#codings, body.length)
    this.inputs?.close()
    const unwanted = this.#say.isAsked ? undefined : this.#askRoute(body)
    if (unwanted === undefined) this.#store(recorded, encodings === undefined ? head : { ...head, encodings }, body)
    else this.#refuse(unwanted)
  }

  get #hasRouteAnswered(): boolean {
    return this.#say.isSettled && (this.#say.isAsked || this.policy.cacheIf === undefined)
  }

  /** Why the route does not want a complete response stored; `undefined`: it does, or says so later. */
  #askRoute(body: Buffer): Reason | undefined {
    const { cacheIf } = this.policy
    if (cacheIf === undefined || this.#made === undefined) return undefined
    try {
      const { status, fields } = this.#made
      return this.#say.ask(cacheIf, new FinishedResponse(status, fields, body)) ? undefined : 'cache-if'
    } catch (thrown) {
      this.#target.fault(thrown)
      return 'fault'
    }
  }

  /** Stores a complete response; `undefined`: its route has still to answer, and it is stored then. */
  #store(recorded: RecordedHead, head: StoredHead, body: Buffer): Landing | undefined {
    if (!this.#say.isSettled) {
      void this.#storeLater(recorded, head, body)
      return undefined
    }
    const landing = this.#target.keep(this.of, recorded, head, body)
    this.#finish(landing)
    return landing
  }

  async #storeLater(recorded: RecordedHead, head: StoredHead, body: Buffer): Promise<void> {
    this.#close()
    this.#awaitsRoute = true
    // Until then its bytes count as those of a recording, and may have to go.
    this.#target.recordings.end(this)
    this.#target.recordings.grow(this, body.length)
    try {
      const { isGranted, tags } = await this.#say.settled(this.policy.patience, this.#target.clock)
      if (!this.#awaitsRoute) return
      const tagged = tags.length === 0 ? recorded : { ...recorded, tags: [...new Set([...recorded.tags, ...tags])] }
      if (isGranted) this.#finish(this.#target.keep(this.of, tagged, head, body))
      else this.#refuse('cache-if')
    } catch (thrown) {
      if (this.#awaitsRoute) this.#failOurselves(thrown)
    }
  }

  #refusalOfBody({ stored, fields }: RecordedHead): Reason | undefined {
    const received = { length: this.#length, ended: true, trailers: false }
    const arrived = this.#added === undefined ? { status: stored.status, fields } : { ...this.#added, status: 206 }
    const hasLength = fieldValue(arrived.fields, 'content-length') !== undefined
    if (this.#mayHaveStopped !== undefined && !this.#isWhole && !hasLength) return 'aborted'
    return refuseBody(arrived, received, this.policy.storage)
  }

  #refuse(reason: Reason): void {
    const { refusal, input } = this.#verdict
    this.#target.refused(this.of, reason, this.#detail(reason), this.#failed, reason === refusal ? input : '')
    this.#finish({ kind: this.#failed ? 'failed' : 'refused' })
  }

  /** A stored response takes the place of an error. */
  #replaceError(): void {
    this.#target.refused(this.of, 'stale-if-error', 'stale-if-error', false)
    this.#finish({ kind: 'failed' })
  }

  /** Something of ours has failed: the handler's answer goes on as it is. */
  #failOurselves(thrown: unknown): void {
    this.#target.fault(thrown)
    this.#target.refused(this.of, 'fault', 'fault', false)
    this.#finish({ kind: 'refused' })
  }

  #statusOfFault(head: ResponseHead): FieldList {
    try {
      return this.#status(head, { detail: 'fault' })
    } catch {
      return []
    }
  }

  #detail(reason: Reason): string {
    if (reason === 'skip') return this.handle.skipped ?? reason
    const { input } = this.#verdict
    const isNamed = this.policy.cacheStatus === 'debug' && input !== '' && reason === this.#verdict.refusal
    return isNamed ? `${reason} ${input}` : reason
  }

  /** The handler has no say any more. */
  #close(): void {
    this.#done = true
    this.inputs?.close()
    this.#chunks = []
  }

  #finish(landing: Landing): void {
    this.#close()
    this.#awaitsRoute = false
    this.#target.recordings.end(this)
    this.of.flight?.land(landing)
  }
}

/** The fields of the route, with the lists that outer middleware has begun as they are going to be sent. */
function asSent(head: ResponseHead, fields: Fields, appended: readonly string[]): Fields {
  const lists = head.outer.vary === undefined ? appended : [...appended, 'vary']
  const sent: Record<string, FieldValue | undefined> = { ...fields }
  for (const name of lists) if (fields[name] !== undefined) sent[name] = head.field(name)
  return lists.length === 0 ? fields : sent
}

/** Where a response is to lie: by what it says of the queries that it is for, or by its own. */
function keyOf({ key, search }: RecordedRequest, route: RouteFields) {
  if (search === undefined) return { key, rule: undefined }
  const rule = parseNoVarySearch(fieldValue(route.deciding, 'no-vary-search'))
  const under = rule && search.under(rule)
  return under === undefined ? { key: search.exact, rule: undefined } : { key: under, rule }
}
/** What an update may say of all later answers; other reasons are about this one, and leave the stored response where it is. */
const LASTING: ReadonlySet<Reason> = new Set(['no-store', 'private', 'vary-star'])

const NO_INPUT_NAMES: readonly string[] = Object.freeze([])

const NO_CODINGS: readonly ContentCoding[] = Object.freeze([])

/** A HEAD without any of them says nothing about the stored bytes. */
const VALIDATORS = ['etag', 'last-modified', 'content-length'] as const

/** The handler said that something is not modified which nobody has asked about. */
function badGateway(status: FieldList): Reply {
  const fields = ['Content-Length', '0', ...status]
  return { status: 502, reason: undefined, fields, removed: [], body: undefined }
}

/** Whether a body that is still to come is announced to be too large. */
function refuseLength(route: RouteFields, { maxBodySize }: StoragePolicy): Reason | undefined {
  return Number(fieldValue(route.fields, 'content-length') ?? 0) > maxBodySize ? 'too-large' : undefined
}

function byteLength(bytes: Uint8Array | string): number {
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength
}

/** A copy. A large one shares its memory with nothing; small ones are copied once more as they are stored, and not kept. */
function ownBytes(bytes: Uint8Array | string): Buffer {
  if (bytes.length <= SMALL) return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes)
  const own = Buffer.allocUnsafeSlow(byteLength(bytes))
  if (typeof bytes === 'string') own.write(bytes, 'utf8')
  else own.set(bytes)
  return own
}

const SMALL = 4096

function joined(chunks: readonly Buffer[], length: number): Buffer {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const body = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}

brand(ResponseRecorder, 'recorder')
