import type { FieldValue } from '../syntax/fields.js'
import type { Recording } from './recording.js'
import type { Reply } from './reply.js'
import type { RequestContent } from './request-content.js'
import type { RequestHead } from './request-head.js'

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
   * `changes` to the request's fields, and set {@link Recording.restore}; run the application; then call {@link Recording.begin} before the first byte is
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

/** Request fields to set, or to remove (`undefined`), while the handler runs; names in lower case. */
export type FieldChanges = Readonly<Record<string, string | undefined>>
