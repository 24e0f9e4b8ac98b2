import type { Clock } from '../core/clock.js'
import type { Mark } from '../core/mark.js'
import { answerConditions } from './answer.js'
import type { CacheStatus, Forward } from './cache-status.js'
import type { FieldList, FieldValue, Onward, Recording, Reply, RequestHead, ResponseHead } from './exchange.js'
import { type Fields, fieldValue } from './fields.js'
import type { Flight, Landing } from './flight.js'
import { AS_IT_IS, cacheStatusField } from './pass.js'
import { carriesNonce, isLoggedIn } from './personal.js'
import type { PrimaryKey } from './primary-key.js'
import type { Reason } from './reasons.js'
import { type RecordedHead, recordHead, withEntityTag } from './recorded-response.js'
import { ResponseNotes } from './response-notes.js'
import { NO_NAMES, PER_RUN_FIELDS, type RouteFields, routeFields, toFieldList } from './route-fields.js'
import { isStaleIfErrorStatus } from './stale.js'
import { isStorable, type Storable } from './storable.js'
import { isEndless, refuseBody } from './storable-body.js'
import type { StoragePolicy } from './storage-policy.js'
import type { StoredHead } from './stored-response.js'

/** What a fill has to know of its request. */
export interface FillRequest {
  readonly request: RequestHead
  readonly key: PrimaryKey
  /** Where the response was looked for last: the primary key, or that of a variant. */
  readonly place: string
  /** The moment before the handler, as far as invalidations go. */
  readonly mark: Mark
  /** The same as wall-clock time. */
  readonly requestedAt: number
  /** Why the handler runs at all. */
  readonly fwd: Forward
  /** False when this request waited for another one in vain. */
  readonly collapsed: boolean | undefined
  /** The run that others may wait for. */
  readonly flight: Flight | undefined
  /** What may be sent in place of an error of this status, or of a handler that threw (`undefined`). */
  readonly onError: ((status: number | undefined) => Reply | undefined) | undefined
  /** The client's own conditions, which are hidden from the handler; `undefined` when there are none. */
  readonly conditions: Fields | undefined
  /** Whether the key names the user. */
  readonly personal: boolean
  readonly nested: boolean
}

/** What a fill takes from its route; a nested middleware refines it. */
export interface FillPolicy {
  readonly storage: StoragePolicy
  readonly vary: readonly string[]
  readonly exactVary: boolean
  readonly dropPerRun: boolean
  /** Called once, when the handler has answered. */
  readonly tags: readonly (() => readonly string[])[]
  readonly cacheStatus: boolean | 'debug'
}

/** Where a fill puts what it recorded, and whom it tells. */
export interface FillTarget {
  readonly clock: Clock
  /** Stores a response, if nothing keeps it out at the last moment, and says how that ends the wait of others. */
  keep(of: FillRequest, recorded: RecordedHead, stored: StoredHead, body: Buffer): Landing
  /**
   * Takes note that a response is not stored.
   *
   * @param failed - the handler answered with a server error, which says little about its next answer
   */
  refused(of: FillRequest, reason: Reason, detail: string, failed: boolean): void
  fault(thrown: unknown): void
}

/** Records what a handler answers, and has it stored when it may be. */
export class Fill implements Recording {
  readonly wants = 'response'
  readonly handle = new ResponseNotes()
  readonly of: FillRequest
  policy: FillPolicy
  readonly #target: FillTarget
  #recorded: RecordedHead | undefined
  #failed = false
  #chunks: Buffer[] = []
  #length = 0
  #done = false

  constructor(of: FillRequest, policy: FillPolicy, target: FillTarget) {
    this.of = of
    this.policy = policy
    this.#target = target
  }

  begin(head: ResponseHead, whole?: Uint8Array | string): Onward {
    if (this.#done) return AS_IT_IS
    try {
      return this.#begin(head, whole)
    } catch (thrown) {
      this.#target.fault(thrown)
      this.#finish({ kind: 'refused' })
      return AS_IT_IS
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
    return true
  }

  end(): void {
    if (this.#done) return
    try {
      this.#keep()
    } catch (thrown) {
      this.#target.fault(thrown)
      this.#finish({ kind: 'refused' })
    }
  }

  leave(): void {
    this.of.flight?.land({ kind: 'abandoned' })
  }

  abort(reason: 'aborted' | 'trailers'): void {
    if (!this.#done) this.#refuse(reason)
  }

  fail(): Reply | undefined {
    if (this.#done) return undefined
    this.#finish({ kind: 'failed' })
    return this.of.onError?.(undefined)
  }

  /** Leaves the work to a middleware further in; nobody waits for this one any more. */
  standDown(): void {
    this.#finish({ kind: 'refused' })
  }

  #begin(head: ResponseHead, whole: Uint8Array | string | undefined): Onward {
    this.#failed = head.status >= 500
    const instead = isStaleIfErrorStatus(head.status) ? this.of.onError?.(head.status) : undefined
    if (instead !== undefined) {
      this.#finish({ kind: 'failed' })
      return { ...AS_IT_IS, instead }
    }
    const { storage, dropPerRun, vary, exactVary } = this.policy
    const control = ['cache-control', 'expires', ...storage.targets]
    const route = routeFields(head, control, dropPerRun ? PER_RUN_FIELDS : NO_NAMES)
    const receivedAt = this.#target.clock.now()
    const storable = this.#judge(head, route, receivedAt)
    if (typeof storable === 'string') return this.#refusing(head, route, storable)
    if (announcedLength(route, whole) > storage.maxBodySize) return this.#refusing(head, route, 'too-large')
    const body = whole === undefined ? undefined : ownBytes(whole)
    const { request, key, nested } = this.of
    const tags = [...this.handle.tags, ...this.policy.tags.flatMap((some) => some())]
    const recorded = recordHead({
      request,
      key,
      head,
      route,
      storable,
      receivedAt,
      cost: Math.max(0, receivedAt - this.of.requestedAt),
      body,
      vary,
      exactVary,
      tags,
      nested,
    })
    this.#recorded = recorded
    if (body !== undefined) {
      this.#chunks = [body]
      this.#length = body.length
    }
    return this.#storing(head, recorded, storable, body)
  }

  /** Why the response is not stored, or all that its entry needs. */
  #judge(head: ResponseHead, route: RouteFields, receivedAt: number): Reason | Storable {
    const { handle, of } = this
    if (handle.fault !== undefined) this.#target.fault(handle.fault)
    if (handle.fault !== undefined || handle.skipped !== undefined) return 'skip'
    if (isEndless(route.deciding)) return 'event-stream'
    const response = { status: head.status, fields: route.deciding }
    const times = { requestedAt: of.requestedAt, receivedAt, ttl: handle.lifetime }
    const verdict = isStorable(of.request, response, times, this.policy.storage)
    if (!verdict.storable) return verdict.reason
    if (!of.personal && isLoggedIn(head.user, head.session)) return 'logged-in'
    return carriesNonce(head) ? 'csp-nonce' : verdict
  }

  #storing(head: ResponseHead, recorded: RecordedHead, storable: Storable, body: Buffer | undefined): Onward {
    const status = this.#status(head, { stored: true, ttl: storable.freshness.lifetime })
    const added: FieldValue[] = [...status]
    const { etag } = recorded.fields
    if (etag !== undefined && head.field('etag') === undefined) added.push('ETag', etag)
    const instead = this.#onConditions(head, recorded.fields, body, status)
    return { ...AS_IT_IS, fields: added, record: true, instead }
  }

  #refusing(head: ResponseHead, route: RouteFields, reason: Reason): Onward {
    this.#refuse(reason)
    const status = this.#status(head, { detail: this.#detail(reason) })
    return { ...AS_IT_IS, fields: status, instead: this.#onConditions(head, route.fields, undefined, status) }
  }

  /** What a client gets whose conditions were hidden from the handler. */
  #onConditions(head: ResponseHead, fields: Fields, body: Buffer | undefined, status: FieldList): Reply | undefined {
    const { conditions } = this.of
    if (conditions === undefined || head.status !== 200) return undefined
    const now = this.#target.clock.now()
    const reply = answerConditions(conditions, { fields, body, receivedAt: now, now })
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
    const recorded = this.#recorded
    const reason = recorded === undefined ? 'incomplete' : this.#refusalOfBody(recorded)
    if (recorded === undefined || reason !== undefined) {
      this.#refuse(reason ?? 'incomplete')
      return
    }
    const body = joined(this.#chunks, this.#length)
    this.#finish(this.#target.keep(this.of, recorded, withEntityTag(recorded, body), body))
  }

  #refusalOfBody({ fields }: RecordedHead): Reason | undefined {
    const received = { length: this.#length, ended: true, trailers: false }
    return refuseBody({ fields }, received, this.policy.storage)
  }

  #refuse(reason: Reason): void {
    this.#target.refused(this.of, reason, this.#detail(reason), this.#failed)
    this.#finish({ kind: this.#failed ? 'failed' : 'refused' })
  }

  #detail(reason: Reason): string {
    return reason === 'skip' ? (this.handle.skipped ?? reason) : reason
  }

  #finish(landing: Landing): void {
    this.#done = true
    this.#chunks = []
    this.of.flight?.land(landing)
  }
}

/** How long a body is going to be, as far as that is known. */
function announcedLength(route: RouteFields, whole: Uint8Array | string | undefined): number {
  if (whole !== undefined) return byteLength(whole)
  const announced = Number(fieldValue(route.fields, 'content-length') ?? 0)
  return Number.isFinite(announced) ? announced : 0
}

function byteLength(bytes: Uint8Array | string): number {
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength
}

/** A copy that shares its memory with nothing: a slice of node's pool would keep the whole slab alive. */
function ownBytes(bytes: Uint8Array | string): Buffer {
  const own = Buffer.allocUnsafeSlow(byteLength(bytes))
  if (typeof bytes === 'string') own.write(bytes, 'utf8')
  else own.set(bytes)
  return own
}

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
