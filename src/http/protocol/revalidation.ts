import type { Onward, ResponseHead } from '../port/recording.js'
import type { Reply } from '../port/reply.js'
import type { Reason } from '../rules/reasons.js'
import { isConfirmedBy, isConfirmedByHead, isFreshenedBy } from '../rules/stored-fields.js'
import { encodingsToMake } from '../store/encodings.js'
import { freshened, updatedRoute } from '../store/freshened.js'
import type { RouteFields } from '../store/route-fields.js'
import { listEntityTags } from '../syntax/entity-tag.js'
import { type FieldList, fieldValue } from '../syntax/fields.js'
import { AS_IT_IS } from './pass-through.js'
import { statusField } from './recorded-answer.js'
import type { Asked, RecordedRequest, RecorderPolicy } from './recorded-request.js'
import { ResponseRecorder } from './response-recorder.js'
import type { ResponseWriter } from './response-writer.js'

/** Records the response of a handler that revalidates a stored response (RFC 9111, section 4.3). */
export class Revalidation extends ResponseRecorder {
  readonly #asked: Asked

  constructor(of: RecordedRequest, asked: Asked, policy: RecorderPolicy, writer: ResponseWriter) {
    super(of, policy, writer)
    this.#asked = asked
  }

  protected override onAnswer(head: ResponseHead, whole: Uint8Array | string | undefined): Onward {
    // The validators on the request are the cache's: no client may receive a 304 for them.
    if (this.#asked.by === '304' && head.status === 304) return this.#onNotModified(head)
    return super.onAnswer(head, whole)
  }

  protected override record(head: ResponseHead, whole: Uint8Array | string | undefined): Onward {
    return this.#asked.by === 'HEAD' ? this.#onHead(head) : super.record(head, whole)
  }

  /** The stored response is confirmed: updates its fields, and sends it to the client (RFC 9111, section 4.3.4). */
  #onNotModified(head: ResponseHead): Onward {
    const { stored, answer } = this.#asked
    const route = this.heads.routeOf(head)
    if (isFreshenedBy(stored.validators, route.fields, this.writer.clock.now())) {
      this.of.tally.result = 'revalidated'
      return { ...AS_IT_IS, instead: this.#update(head, route) }
    }
    const isConfirmed = isConfirmedBy(stored.validators, route.fields)
    if (!isConfirmed) this.writer.outdate(this.of, stored)
    this.tellRefused('wrong-validator')
    this.finish({ kind: 'abandoned' })
    if (isConfirmed) {
      this.of.tally.result = 'revalidated'
      return { ...AS_IT_IS, instead: answer(stored, { detail: 'wrong-validator' }) }
    }
    const { conditions = {} } = this.of
    const known = listEntityTags(fieldValue(conditions, 'if-none-match') ?? '')
    const isForClient = known.includes(fieldValue(route.fields, 'etag') ?? '')
    return isForClient
      ? AS_IT_IS
      : { ...AS_IT_IS, instead: badGateway(statusField(this, head, { detail: 'wrong-validator' })) }
  }

  /** Validates or updates the stored response to GET by a response to HEAD (RFC 9111, section 4.3.5). */
  #onHead(head: ResponseHead): Onward {
    const fields = statusField(this, head, { detail: 'head' })
    if (head.status === 200) {
      const route = this.heads.routeOf(head)
      const { stored } = this.#asked
      if (!isConfirmedByHead(stored.validators, stored.body.length, route.fields)) {
        this.writer.outdate(this.of, stored)
      } else if (VALIDATORS.some((name) => route.fields[name] !== undefined)) {
        this.#update(head, route)
      }
    }
    if (!this.isDone) this.refuse('head')
    return { ...AS_IT_IS, fields }
  }

  /** Stores the updated response, if permitted, and returns the reply made from it. */
  #update(head: ResponseHead, route: RouteFields): Reply {
    const { stored, answer } = this.#asked
    const receivedAt = this.writer.clock.now()
    const updated = updatedRoute(stored, route, this.policy.storage.targets, receivedAt)
    const once = () => freshened(stored, updated, this.of.requestedAt, receivedAt)
    const storable = this.judgement.onHead(head, updated, receivedAt, stored.status)
    if (this.isRelieved || typeof storable === 'string') {
      const reason = typeof storable === 'string' ? storable : 'skip'
      if (!this.isRelieved) {
        if (LASTING.has(reason)) this.writer.discard(this.of.storageKey)
        this.refuse(reason)
      }
      return answer(once(), { detail: this.detail(reason) })
    }
    // The stored response keeps its selecting fields, because it was not made from the inputs of this run.
    const { selecting } = stored
    const recorded = this.heads.record({ line: stored, route: updated, storable, receivedAt, selecting })
    // The body is unchanged, so its encodings remain valid.
    const isEncoded = stored.encodings !== undefined && this.heads.codings.length > 0
    const encodings = isEncoded ? stored.encodings : encodingsToMake(this.heads.codings, stored.body.length)
    const unwanted = this.say.ask({ status: stored.status, fields: updated.fields }, stored.body)
    if (unwanted !== undefined) {
      this.refuse(unwanted)
      return answer(once(), { detail: this.detail(unwanted) })
    }
    const storedHead = { ...recorded.stored, ownEntityTag: stored.ownEntityTag, encodings }
    const landing = this.store(recorded, storedHead, isEncoded ? stored.entry.body : stored.body)
    if (landing?.kind === 'stored') return answer(landing.stored, { stored: true })
    return answer(once(), landing?.reason === undefined ? {} : { detail: landing.reason })
  }
}

/**
 * Reasons that apply to all later responses and remove the stored one; other reasons concern this response only, and
 * leave it.
 */
const LASTING: ReadonlySet<Reason> = new Set(['no-store', 'private', 'vary-star'])

/** Without any of these fields, a response to HEAD says nothing about the stored body. */
const VALIDATORS = ['etag', 'last-modified', 'content-length'] as const

/** The reply to a 304 from the handler that matches none of the validators in the request. */
function badGateway(status: FieldList): Reply {
  const fields = ['Content-Length', '0', ...status]
  return { status: 502, reason: undefined, fields, removed: [], body: undefined }
}
