import { type IncomingMessage, ServerResponse } from 'node:http'
import type {
  DetachedRun,
  Exchange,
  FieldChanges,
  FieldValue,
  Recording,
  RefreshHead,
  Reply,
  RequestHead,
} from '../../http/port/index.js'
import { isPlainField } from '../../http/port/index.js'
import { handOn, scopeOf } from '../../http/protocol/index.js'
import { detachedRun } from '../node/detached.js'
import { sendReply, streamsBody, userOf } from '../node/node-response.js'
import { otherOriginOf } from '../node/origin-fields.js'
import { outerFieldOf } from '../node/outer-fields.js'
import { sendPrepared } from '../node-internals/prepared-head.js'
import { hasUnreadFields } from '../node-internals/unread-fields.js'
import type { Interior } from './application.js'

/** A request for which node has made no response yet. */
export interface Unopened {
  /**
   * Answers it as it stands.
   *
   * @returns false when a response is needed; nothing has been done then
   */
  answer(reply: Reply, poweredBy: string | undefined): boolean
  /** Has node make the response. From then on all is as usual. `undefined`: somebody else answers it. */
  open(): ServerResponse | undefined
}

/** A request that the framework does not have yet. */
export class FrontExchange<Context extends object> implements Exchange<Context>, RequestHead {
  readonly raw: IncomingMessage
  readonly isPlain: boolean
  #ifNoneMatch: string | undefined
  readonly #interior: Interior
  readonly #unopened: Unopened | undefined
  #opened: ServerResponse | undefined
  /** By us without a response, or by somebody else. */
  #isAnswered = false
  #host: string | undefined
  #isForwarded = false

  constructor(interior: Interior, request: IncomingMessage, response: ServerResponse | undefined, unopened?: Unopened) {
    this.raw = request
    this.#interior = interior
    this.#opened = response
    this.#unopened = unopened
    this.isPlain = hasUnreadFields(request) && this.#scan(request.rawHeaders)
    this.#isForwarded ||= !this.isPlain
  }

  /** No function of the user's is asked about a request in front of the application. */
  get context(): Context {
    return this.raw as Context
  }

  get request(): RequestHead {
    return this
  }

  get user(): unknown {
    return userOf(this.raw, this.#opened)
  }

  get session(): unknown {
    return this.#interior.sessionOf(this)
  }

  get method(): string {
    return this.raw.method ?? 'GET'
  }

  get originalMethod(): string | undefined {
    const { originalMethod } = this.raw as { readonly originalMethod?: unknown }
    return typeof originalMethod === 'string' ? originalMethod : undefined
  }

  get url(): string {
    return this.raw.url ?? '/'
  }

  get hasBody(): boolean {
    return streamsBody(this.raw)
  }

  get protocol(): string {
    return this.#interior.protocolOf(this, this.#isForwarded)
  }

  get host(): string {
    return this.#interior.hostOf(this, this.#isForwarded, this.#host)
  }

  get otherOrigin(): string | undefined {
    const { host } = this
    // The only field that says something about it has been seen.
    if (!this.#isForwarded && host !== '' && host === this.#host) return undefined
    return otherOriginOf(this.raw, this.protocol, host)
  }

  get ifNoneMatch(): string | undefined {
    return this.#ifNoneMatch
  }

  get headers(): RequestHead['headers'] {
    return this.raw.headers
  }

  /** Made when somebody needs it. */
  get response(): ServerResponse {
    if (this.#opened !== undefined) return this.#opened
    const opened = this.#isAnswered ? undefined : this.#unopened?.open()
    this.#isAnswered ||= opened === undefined
    // To nobody, where it is answered.
    this.#opened = opened ?? new ServerResponse(this.raw)
    return this.#opened
  }

  /** As {@link forward}, with nothing decided. */
  enter(): void {
    const { raw, response } = this
    if (!this.#isAnswered) this.#interior.enter(raw as IncomingMessage & { readonly req: never }, response as never)
  }

  /** Has the response made unless the request is answered already: what is sent later needs its place in the queue now. */
  open(): void {
    if (!this.#isAnswered) void this.response
  }

  /** A response that node has just made has no field; see {@link Unopened}. */
  field(name: string): FieldValue | undefined {
    return this.#opened === undefined ? undefined : outerFieldOf(this.#opened, name)
  }

  reply(reply: Reply): void {
    const { poweredBy } = this.#interior
    if (this.#opened === undefined && this.#unopened?.answer(reply, poweredBy) === true) {
      this.#isAnswered = true
      return
    }
    const { response } = this
    if (this.#isAnswered) return
    if (sendPrepared(response, reply, poweredBy)) return
    if (poweredBy !== undefined) response.setHeader('X-Powered-By', poweredBy)
    sendReply(response, reply)
  }

  /** The application has the request, and with it the middleware, if it comes so far. */
  forward(recording: Recording, changes?: FieldChanges): void {
    const { raw, response } = this
    if (this.#isAnswered) {
      recording.abort('aborted')
      return
    }
    const { method, url, protocol, host, otherOrigin } = this
    handOn(raw, { head: { method, url, protocol, host, otherOrigin }, changes })
    response.once('close', () => {
      if (scopeOf(raw)?.isAwaited === true) recording.abort('aborted')
    })
    this.#interior.enter(raw as IncomingMessage & { readonly req: never }, response as never)
  }

  refresh(head: RefreshHead): DetachedRun | undefined {
    return detachedRun(this.raw, this.url, undefined, head)
  }

  /** Whether node makes nothing of the request by itself: it has a host, no body, and expects nothing. */
  get isOrdinary(): boolean {
    if (this.isPlain) return this.#host !== undefined
    const { headers } = this.raw
    return headers.host !== undefined && ANNOUNCING.every((name) => headers[name] === undefined)
  }

  /** Looks at the fields as they came, which is cheaper than having node make a record of them. */
  #scan(raw: readonly string[]): boolean {
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at] ?? ''
      if (name.length === 4 && name.toLowerCase() === 'host') {
        if (this.#host !== undefined) return false
        this.#host = raw[at + 1]
      } else if (isPlainField(name)) {
        if (isForwardedField(name)) this.#isForwarded = true
      } else if (isIfNoneMatch(name) && this.#ifNoneMatch === undefined) {
        this.#ifNoneMatch = raw[at + 1]
      } else {
        return false
      }
    }
    return true
  }
}

function isIfNoneMatch(name: string): boolean {
  return name.length === 13 && name.toLowerCase() === 'if-none-match'
}

const ANNOUNCING = ['content-length', 'transfer-encoding', 'expect', 'upgrade'] as const

function isForwardedField(name: string): boolean {
  return (name.length === 16 || name.length === 17) && /^x-forwarded-(?:host|proto)$/i.test(name)
}
