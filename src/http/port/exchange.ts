import type { InputsRead } from '../rules/inputs-read.js'
import type { Filling } from '../rules/vary.js'
import type { FieldList, FieldValue } from '../syntax/fields.js'
import type { RequestContent } from './request-content.js'
import type { ResponseHandle } from './response-handle.js'

/**
 * The port: one request and its response, as a framework offers them.
 *
 * An adapter implements it and decides nothing: every question about caching (is this method cacheable, is this
 * stored response fresh, must the answer wait for an invalidation) is answered by {@link Exchange}'s caller,
 * `ResponseCache.handle`, which calls exactly one of {@link Exchange.reply} and {@link Exchange.forward}, once.
 * It calls it synchronously when nothing has to be awaited.
 *
 * @typeParam Context - what the framework hands to its users (Express: `req`; Koa: `ctx`), given to their functions as it is
 */
export interface Exchange<Context extends object = object> {
  /** The request, as the framework resolved it. May be read lazily. */
  readonly request: RequestHead
  /**
   * The object that is one per request and stays the same in every middleware it passes (node's `IncomingMessage`,
   * a web `Request`). By it a nested use finds the outer one, and a refresh finds its recording.
   */
  readonly raw: object
  /** The argument of the user's `key`, `skip`, `tags`, `allowRefresh`, …. */
  readonly context: Context
  /**
   * Whom middleware in front of the cache has found out to be asking: `req.user`, `ctx.state.user`. Such a visitor gets
   * nothing that was stored for others unless it is for everybody. Left out by hosts that know of no users.
   */
  readonly user?: unknown
  /** As {@link user}: the session. Read without creating one. */
  readonly session?: unknown
  /** A field that outer middleware has put on the response so far, by its lower-case name. */
  field(name: string): FieldValue | undefined
  /**
   * Reads the content of the request, if it has no more than `limit` bytes, and leaves it where it was: the application can
   * read it as if nobody had. Left out by hosts that cannot.
   */
  readContent?(limit: number): RequestContent | Promise<RequestContent>
  /** Answers from the cache: no handler runs. */
  reply(reply: Reply): void
  /**
   * Runs the rest of the application, and tells `recording` what it answers.
   *
   * In order: make `recording.handle` visible to the handler (`res.fallbackCache`, `ctx.fallbackCache`); apply
   * `changes` to the request's fields; run the application; then {@link Recording.begin} before the first byte
   * leaves, and {@link Recording.write}, {@link Recording.end} or {@link Recording.abort} as {@link Onward.record}
   * asks. The request's own fields are back before middleware outside ours looks at the request again.
   *
   * @returns a promise where the framework awaits its middleware; it rejects with the application's error, never with one of ours
   */
  forward(recording: Recording, changes?: FieldChanges): void | Promise<void>
  /**
   * Has the application decide about the request: of what it fills in, nothing is known here. Only in front of an application;
   * takes the place of {@link reply} and {@link forward}.
   */
  enter?(): void
  /**
   * Prepares to run the whole application once more for no client, with a request of its own that has these fields, and
   * outside of the present request's async context. That request meets this middleware again, which then calls
   * {@link Exchange.forward} with a recording of its own. What it is answered goes nowhere. It has the content that
   * {@link Exchange.readContent} gave.
   *
   * @returns undefined when this host cannot do it
   */
  refresh?(head: RefreshHead): DetachedRun | undefined
}

/** What the request of a refresh has; its method and URL are those of the client's. */
export interface RefreshHead {
  readonly headers: RequestHead['headers']
  /** As the framework is to resolve them. */
  readonly protocol: string
  readonly host: string
}

/** A run of the application for no client. */
export interface DetachedRun {
  /**
   * Begins it.
   *
   * @param introduce - called with the request's {@link Exchange.raw} before the application sees it
   * @param done - called once, when the answer is complete or the run is lost, whether or not it met the middleware
   */
  start(introduce: (raw: object) => void, done: () => void): void
  /** Gives it up: for the application, the client has left. */
  cancel(): void
}

export type { FieldList, FieldValue } from '../syntax/fields.js'

/** Request fields to set, or to take away (`undefined`), while the handler runs; names in lower case. */
export type FieldChanges = Readonly<Record<string, string | undefined>>

/** What a request asks for. */
export interface RequestHead extends Filling {
  /** In upper case, as the application is going to see it. */
  readonly method: string
  /** The method on the request line, where the framework knows that something (method-override) has changed it. */
  readonly originalMethod?: string | undefined
  /** The target as it came: path and query, whatever the place where the middleware is mounted (`originalUrl`). */
  readonly url: string
  /** The target as middleware in front has left it, where that is not what mounting leaves of {@link url}: rewritten by a cookie or by Accept, say. */
  readonly rewritten?: string | undefined
  /** Whether a body follows that no field announces, as HTTP/2 allows. */
  readonly hasBody?: boolean | undefined
  /** `http` or `https`, as the framework resolves it (`trust proxy`). */
  readonly protocol: string
  /** Host and port, as the framework resolves them; `''` when there is none. */
  readonly host: string
  /** The origin fields that say something else than {@link protocol} and {@link host}; see `otherOrigin`. */
  readonly otherOrigin?: string | undefined
  /** The fields by lower-case name, lines of one name joined as node joins them. */
  readonly headers: Readonly<Record<string, FieldValue | undefined>>
  /**
   * True when all of its fields, but for {@link ifNoneMatch}, are known to be plain, in the sense of `isPlainField`: then
   * {@link headers} is read only where responses vary.
   */
  readonly isPlain?: boolean | undefined
  /** What If-None-Match says, where {@link isPlain} is true. */
  readonly ifNoneMatch?: string | undefined
}

/** An answer from the cache, complete. */
export interface Reply {
  readonly status: number
  /** The reason phrase, if it is not the usual one. */
  readonly reason: string | undefined
  /** To be laid over the fields that outer middleware has set; each replaces what has its name. `Content-Length` is among them where there is one. */
  readonly fields: FieldList
  /** The names of {@link fields} in lower case; given only when names and values have been found well-formed. */
  readonly checkedNames?: readonly string[] | undefined
  /** Names that the response must not have, whatever outer middleware has set. */
  readonly removed: readonly string[]
  /** The bytes, shared: they must not be changed. `undefined`: none, as for 304 and HEAD (`status` stays what it is). */
  readonly body: Buffer | undefined
  /** Room for what an adapter has made of it: the same reply answers all hits of one second. */
  memo?: unknown
}

/** The head of an answer that the application is about to send. */
export interface ResponseHead {
  readonly status: number
  /** The reason phrase, if the handler gave one. */
  readonly reason: string | undefined
  /** One field by its lower-case name, whoever has set it. */
  field(name: string): FieldValue | undefined
  /** All fields, those of {@link outer} included, and those given to `writeHead(status, fields)` too. */
  fields(): FieldList
  /**
   * The fields as they were when {@link Exchange.forward} was called, by lower-case name: what outer middleware has
   * set for this client. Only looked at when {@link Recording.wants} is `'response'`.
   */
  readonly outer: Readonly<Record<string, FieldValue | number | undefined>>
  /** True when no handler has answered, so that what is sent will be made in front of the cache. */
  readonly isUnanswered?: boolean | undefined
  /** Whether the route has set a field itself, be it to the value that it has in {@link outer}; by its lower-case name. */
  isSetByRoute(name: string): boolean
  /** What authentication or session middleware has left on the request: `req.user` and `req.session`, `ctx.state.user` and `ctx.session`. */
  readonly user: unknown
  /** See {@link user}. An adapter reads it without creating a session. */
  readonly session: unknown
}

/**
 * What is told of an answer while it goes out. The calls come in this order: `begin` once, `write` any number of times,
 * then one of `end` and `abort`; `abort` may also come first. Later calls are ignored. None of them throws.
 */
export interface Recording {
  /** `'head'`: {@link begin} is all that is wanted, nothing else needs watching. */
  readonly wants: 'response' | 'head'
  /**
   * What the run reads of its request, to be noted from {@link Exchange.forward} until it closes: fields, cookies. Left out:
   * nothing is to be watched.
   */
  readonly inputs?: InputsRead | undefined
  /** For the handler: `res.fallbackCache`, `ctx.fallbackCache`. */
  readonly handle: ResponseHandle
  /**
   * The head is known and no byte has left.
   *
   * @param whole - the complete body, where it is known already: the answer is ended with this very call. `write` is not called then, but `end` (or `abort`) is
   */
  begin(head: ResponseHead, whole?: Uint8Array | string): Onward
  /**
   * Bytes, in the order sent, as the handler gave them; a string stands for its UTF-8. They are copied before this
   * returns, if at all, and so is the `whole` of {@link begin}: a handler may change its buffers afterwards.
   *
   * @returns false when no more are wanted; go on without telling
   */
  write(chunk: Uint8Array | string): boolean
  /** The handler has been told to wait, because its client does not read as fast as it writes. */
  pause(): void
  /** The client has caught up, and the handler may go on. */
  resume(): void
  /** The handler has ended the answer; whether the client is still there does not matter. */
  end(): void
  /**
   * The client has left before the handler's `end`. Requests that wait for this answer wait no longer. The answer is stored if it fills a
   * Content-Length that it had before, or comes whole from a handler that cannot know that its client has left.
   *
   * @param mayKnow - whether the handler may know; asked when it answers
   */
  leave(mayKnow: () => boolean): void
  /** The answer will not be completed, or is not what it said it was. */
  abort(reason: 'aborted' | 'trailers'): void
  /**
   * The application threw instead of answering, where an adapter can see that.
   *
   * @returns what to send instead of the error; `undefined`: throw it on
   */
  fail(error: unknown): Reply | undefined
}

/** How an answer goes on after its head is known. */
export interface Onward {
  /** To be laid over the fields of the answer. Nothing of them is to be recorded. */
  readonly fields: FieldList
  /**
   * Send this in place of the answer (a stored response in place of an error, a 304 or a part in place of the whole).
   * The handler's bytes go nowhere but to the recording. Its `fields` are complete: {@link fields} is not applied.
   */
  readonly instead: Reply | undefined
  /** Whether `write`, `end` and `abort` are wanted. */
  readonly record: boolean
  /** The answer must not be completed before this settles (it never rejects): an invalidation on its way. */
  readonly before: Promise<unknown> | undefined
}
