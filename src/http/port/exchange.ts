import type { InputsRead } from '../rules/inputs-read.js'
import type { Filling } from '../rules/vary.js'
import type { FieldList, FieldValue } from '../syntax/fields.js'
import type { RequestContent } from './request-content.js'
import type { ResponseHandle } from './response-handle.js'

/**
 * The port: one request and its response, as provided by a framework.
 *
 * An adapter implements this interface and makes no decisions about caching. Its caller, `ResponseCache.handle`,
 * decides whether a method is cacheable, whether a stored response is fresh and whether the response must wait for an
 * invalidation. It calls exactly one of {@link Exchange.reply} and {@link Exchange.forward}, once, and synchronously if
 * nothing has to be awaited.
 *
 * @typeParam Context - the object that the framework passes to user code (Express: `req`; Koa: `ctx`), passed unchanged
 * to functions in the options
 */
export interface Exchange<Context extends object = object> {
  /** The request, as resolved by the framework. May be read lazily. */
  readonly request: RequestHead
  /**
   * An object that exists once per request and is the same in every middleware (Node.js's `IncomingMessage`, a web
   * `Request`). Nested middlewares use it to find the outer one, and revalidations to find their recording.
   */
  readonly raw: object
  /** The argument for the user's `key`, `skip`, `tags`, `allowRefresh`, …. */
  readonly context: Context
  /**
   * The user found by middleware in front of the cache: `req.user`, `ctx.state.user`. A known user only gets stored
   * responses that are marked as shareable. Omitted by frameworks without users.
   */
  readonly user?: unknown
  /** The session; see {@link user}. Read without creating one. */
  readonly session?: unknown
  /**
   * The pattern of the route that runs or has run (`/products/:id`), with the paths at which its routers are mounted;
   * `undefined` if there is none, or the framework does not tell.
   */
  readonly route?: string | undefined
  /** A field that outer middleware has set on the response so far, by its lower-case name. */
  field(name: string): FieldValue | undefined
  /**
   * Reads the content of the request, if it has at most `limit` bytes, and puts it back, so that the application can
   * still read it. Omitted by frameworks that cannot do this.
   */
  readContent?(limit: number): RequestContent | Promise<RequestContent>
  /**
   * Whether the response was closed before it was sent, so that a handler can no longer notice that the client left.
   * False for a client that has only ended its side of the connection.
   */
  readonly isClosed: boolean
  /** Answers from the cache, without running a handler. */
  reply(reply: Reply): void
  /**
   * Runs the rest of the application, and reports its response to `recording`.
   *
   * In this order: make `recording.handle` available to the handler (`res.fallbackCache`, `ctx.fallbackCache`); apply
   * `changes` to the request's fields; run the application; then call {@link Recording.begin} before the first byte is
   * sent, and {@link Recording.write}, {@link Recording.end} or {@link Recording.abort} if {@link Onward.record} is
   * true. Restore the request's own fields before outer middleware accesses the request again.
   *
   * @returns a promise if the framework awaits its middleware; it rejects only with an error of the application
   */
  forward(recording: Recording, changes?: FieldChanges): void | Promise<void>
  /**
   * Passes the request to the application without a decision, because required values are set by middleware that has
   * not run yet. Only used in front of an application; replaces {@link reply} and {@link forward}.
   */
  enter?(): void
  /**
   * Prepares to run the whole application again without a client, with a new request that has these fields, outside the
   * async context of the current request. The new request passes this middleware again, which then calls
   * {@link Exchange.forward} with a separate recording. Its response is discarded. Its content is that read by
   * {@link Exchange.readContent}.
   *
   * @returns undefined if this framework cannot do it
   */
  refresh?(head: RefreshHead): DetachedRun | undefined
}

/** The head of a revalidation request; its method and URL are those of the client's request. */
export interface RefreshHead {
  readonly headers: RequestHead['headers']
  /** The values that the framework must resolve. */
  readonly protocol: string
  readonly host: string
}

/** A run of the application without a client. */
export interface DetachedRun {
  /**
   * Starts the run.
   *
   * @param introduce - called with the request's {@link Exchange.raw} before the application sees it
   * @param done - called once, when the response is complete or the run has failed, whether or not it reached the
   * middleware
   */
  start(introduce: (raw: object) => void, done: () => void): void
  /** Aborts the run: to the application, the client has disconnected. */
  cancel(): void
}

export type { FieldList, FieldValue } from '../syntax/fields.js'

/** Request fields to set, or to remove (`undefined`), while the handler runs; names in lower case. */
export type FieldChanges = Readonly<Record<string, string | undefined>>

/** The head of a request. */
export interface RequestHead extends Filling {
  /** In upper case, as the application will see it. */
  readonly method: string
  /** The method on the request line, if the framework knows that it was changed (method-override). */
  readonly originalMethod?: string | undefined
  /** The request target as received: path and query, independent of the mount path (`originalUrl`). */
  readonly url: string
  /**
   * The request target after a rewrite by middleware (for example by a cookie or Accept), if it differs from
   * {@link url} by more than the mount path.
   */
  readonly rewritten?: string | undefined
  /** Whether a body follows that no field announces, as HTTP/2 permits, or middleware in front has put one on the request. */
  readonly hasBody?: boolean | undefined
  /** `http` or `https`, as resolved by the framework (`trust proxy`). */
  readonly protocol: string
  /** Host and port, as resolved by the framework; `''` if there is none. */
  readonly host: string
  /** The origin fields that contradict {@link protocol} and {@link host}; see `otherOrigin`. */
  readonly otherOrigin?: string | undefined
  /**
   * The status, reason phrase and Content-Type that middleware in front has set on the response, as text: a handler, or
   * the framework for it, keeps what is set. `undefined` if it has set none.
   */
  readonly begun?: string | undefined
  /** Fields by lower-case name, with repeated lines joined as in Node.js. */
  readonly headers: Readonly<Record<string, FieldValue | undefined>>
  /**
   * True if all fields except If-None-Match are known to be plain (see `isPlainField`): {@link headers} is then only
   * read if responses vary.
   */
  readonly isPlain?: boolean | undefined
  /** The value of If-None-Match, if {@link isPlain} is true. */
  readonly ifNoneMatch?: string | undefined
}

/** A complete response from the cache. */
export interface Reply {
  readonly status: number
  /** The reason phrase, if it is not the standard one. */
  readonly reason: string | undefined
  /**
   * Fields to set on the response; each replaces a field of outer middleware with the same name. Includes
   * `Content-Length` if there is one.
   */
  readonly fields: FieldList
  /** The names of {@link fields} in lower case; only present if names and values were validated. */
  readonly checkedNames?: readonly string[] | undefined
  /** Names of fields to remove, even if outer middleware has set them. */
  readonly removed: readonly string[]
  /**
   * The bytes, which are shared and must not be modified. `undefined` for none, as for 304 and HEAD (`status` is
   * unchanged).
   */
  readonly body: Buffer | undefined
  /** Storage for the adapter's prepared form: the same reply answers all hits within one second. */
  memo?: unknown
}

/** The head of a response that the application is about to send. */
export interface ResponseHead {
  readonly status: number
  /** The reason phrase, if the handler set one. */
  readonly reason: string | undefined
  /** One field by its lower-case name, from the route or from outer middleware. */
  field(name: string): FieldValue | undefined
  /** All fields, including {@link outer} and those passed to `writeHead(status, fields)`. */
  fields(): FieldList
  /**
   * The fields when {@link Exchange.forward} was called, by lower-case name: those that outer middleware has set for
   * this client. Only read if {@link Recording.wants} is `'response'`.
   */
  readonly outer: Readonly<Record<string, FieldValue | number | undefined>>
  /** True if no handler has answered, so that the response will be made in front of the cache. */
  readonly isUnanswered?: boolean | undefined
  /** Whether the route itself has set a field, even to its value in {@link outer}; by its lower-case name. */
  isSetByRoute(name: string): boolean
  /** The user and session set by middleware: `req.user` and `req.session`, `ctx.state.user` and `ctx.session`. */
  readonly user: unknown
  /** The session; see {@link user}. Read without creating one. */
  readonly session: unknown
}

/**
 * Receives a response while it is sent. Order of the calls: `begin` once, `write` any number of times, then one of
 * `end` and `abort`; `abort` may also come first. Later calls are ignored. No method throws.
 */
export interface Recording {
  /** `'head'`: only {@link begin} is needed. */
  readonly wants: 'response' | 'head'
  /**
   * Records what the run reads of its request (fields, cookies), from {@link Exchange.forward} until it is closed.
   * Omitted if nothing needs to be watched.
   */
  readonly inputs?: InputsRead | undefined
  /** The object for the handler: `res.fallbackCache`, `ctx.fallbackCache`. */
  readonly handle: ResponseHandle
  /**
   * Called when the head is known and no byte was sent.
   *
   * @param whole - the complete body, if it is already known because this call also ends the response. `write` is then
   * not called, but `end` (or `abort`) is
   */
  begin(head: ResponseHead, whole?: Uint8Array | string): Onward
  /**
   * Receives bytes as the handler wrote them, in order; a string is UTF-8. They must be a copy, because a handler may
   * modify its buffers afterwards: the same copy is sent, so that what is recorded is what is sent. The `whole` of
   * {@link begin} is copied by it.
   *
   * @returns false if no further bytes are needed
   */
  write(chunk: Buffer | string): boolean
  /** The handler was told to wait (backpressure), because its client reads more slowly than it writes. */
  pause(): void
  /** The client has caught up, and the handler may continue. */
  resume(): void
  /** The handler has ended the response, whether or not the client is still connected. */
  end(): void
  /**
   * The client has disconnected before the handler's `end`. Requests that wait for this response stop waiting. The
   * response is still stored if its head was written before and it matches the Content-Length there: there are more
   * ways to notice a disconnect, and to stop early, than could be watched.
   */
  leave(): void
  /** The response will not be completed, or differs from its announcement. */
  abort(reason: 'aborted' | 'trailers'): void
  /**
   * The application threw an error instead of answering, in frameworks where an adapter can see this.
   *
   * @returns the response to send instead of the error; `undefined` to rethrow it
   */
  fail(error: unknown): Reply | undefined
}

/** How to continue with a response after its head is known. */
export interface Onward {
  /** Fields to set on the response, which are not to be recorded. */
  readonly fields: FieldList
  /**
   * The response to send instead (a stored response instead of an error, a 304 or a part instead of the whole). The
   * handler's bytes are only recorded. Its `fields` are complete: {@link fields} is not applied.
   */
  readonly instead: Reply | undefined
  /** Whether `write`, `end` and `abort` must be called. */
  readonly record: boolean
  /** The response must not be completed before this settles (it never rejects): a pending invalidation. */
  readonly before: Promise<unknown> | undefined
}
