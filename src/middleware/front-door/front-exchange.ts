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
import {
  detachedRun,
  filledIn,
  isClosed,
  otherOriginOf,
  outerFieldOf,
  sendReply,
  streamsBody,
  userOf,
} from '../node/index.js'
import type { Unopened } from '../node-internals/index.js'
import { hasUnreadFields, sendPrepared } from '../node-internals/index.js'
import type { FrontedApplication } from './application.js'

/** The {@link Exchange} for a request that has not entered the framework yet. */
export class FrontExchange<Context extends object> implements Exchange<Context>, RequestHead {
  readonly raw: IncomingMessage
  readonly isPlain: boolean
  #ifNoneMatch: string | undefined
  readonly #application: FrontedApplication
  readonly #unopened: Unopened | undefined
  #opened: ServerResponse | undefined
  /** True after the request was answered without a response object, or by other code. */
  #isAnswered = false
  #host: string | undefined
  #isForwarded = false

  constructor(
    application: FrontedApplication,
    request: IncomingMessage,
    response: ServerResponse | undefined,
    unopened?: Unopened,
  ) {
    this.raw = request
    this.#application = application
    this.#opened = response
    this.#unopened = unopened
    this.isPlain = hasUnreadFields(request) && this.#scan(request.rawHeaders)
    this.#isForwarded ||= !this.isPlain
  }

  /** No user function is called with a context in front of the application. */
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
    return this.#application.sessionOf(this)
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
    return this.#application.protocolOf(this, this.#isForwarded)
  }

  get host(): string {
    return this.#application.hostOf(this, this.#isForwarded, this.#host)
  }

  get otherOrigin(): string | undefined {
    const { host } = this
    // Without X-Forwarded-* fields, the Host field alone determines the origin.
    if (!this.#isForwarded && host !== '' && host === this.#host) return undefined
    return otherOriginOf(this.raw, this.protocol, host)
  }

  get isClosed(): boolean {
    return this.#opened !== undefined && isClosed(this.#opened)
  }

  /** Known before the application runs only if it mounts nothing before the cache. */
  filled(input: string): string | null | undefined {
    if (!this.#application.isFirst) return undefined
    const { locals = NOTHING } = (this.#opened ?? {}) as { readonly locals?: object }
    return filledIn({ req: this.raw, res: this.#opened ?? NOTHING, locals, ctx: NOTHING, state: NOTHING }, input)
  }

  get ifNoneMatch(): string | undefined {
    return this.#ifNoneMatch
  }

  get headers(): RequestHead['headers'] {
    return this.raw.headers
  }

  /** Created on first access. */
  get response(): ServerResponse {
    if (this.#opened !== undefined) return this.#opened
    const opened = this.#isAnswered ? undefined : this.#unopened?.open()
    this.#isAnswered ||= opened === undefined
    // Already answered: use a dummy response.
    this.#opened = opened ?? new ServerResponse(this.raw)
    return this.#opened
  }

  /** Like {@link forward}, without a recording. */
  enter(): void {
    const { raw, response } = this
    if (!this.#isAnswered) this.#application.enter(raw as IncomingMessage & { readonly req: never }, response as never)
  }

  /**
   * Creates the response object unless the request is already answered, to reserve its place in the pipeline for a
   * later reply.
   */
  open(): void {
    if (!this.#isAnswered) void this.response
  }

  /** Fields set on the response so far; a response that Node.js has just created has none. */
  field(name: string): FieldValue | undefined {
    return this.#opened === undefined ? undefined : outerFieldOf(this.#opened, name)
  }

  reply(reply: Reply): void {
    const { poweredBy } = this.#application
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

  /** Passes the request to the application, where the middleware records the response if the request reaches it. */
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
    this.#application.enter(raw as IncomingMessage & { readonly req: never }, response as never)
  }

  refresh(head: RefreshHead): DetachedRun | undefined {
    return detachedRun(this.raw, this.url, undefined, head)
  }

  /** Whether Node.js does nothing special for the request: it has a Host field, no body and no Expect or Upgrade. */
  get isOrdinary(): boolean {
    if (this.isPlain) return this.#host !== undefined
    const { headers } = this.raw
    return headers.host !== undefined && ANNOUNCING.every((name) => headers[name] === undefined)
  }

  /** Scans the raw fields, which is cheaper than making Node.js build the `headers` object. */
  #scan(raw: readonly string[]): boolean {
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at] ?? ''
      if (name.length === 4 && (name === 'Host' || name.toLowerCase() === 'host')) {
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

const NOTHING: object = Object.freeze({})

function isIfNoneMatch(name: string): boolean {
  return name.length === 13 && (name === 'If-None-Match' || name.toLowerCase() === 'if-none-match')
}

const ANNOUNCING = ['content-length', 'transfer-encoding', 'expect', 'upgrade'] as const

function isForwardedField(name: string): boolean {
  return (name.length === 16 || name.length === 17) && /^x-forwarded-(?:host|proto)$/i.test(name)
}
