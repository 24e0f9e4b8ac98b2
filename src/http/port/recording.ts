import type { InputsRead } from '../rules/inputs-read.js'
import type { FieldList, FieldValue } from '../syntax/fields.js'
import type { Reply } from './reply.js'
import type { ResponseHandle } from './response-handle.js'

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
   * The fields when `Exchange.forward` was called, by lower-case name: those that outer middleware has set for
   * this client. Only read if {@link Recording.wants} is `'response'`.
   */
  readonly outer: Readonly<Record<string, FieldValue | number | undefined>>
  /** True if no handler has answered, so that the response will be made in front of the cache. */
  readonly isUnanswered?: boolean | undefined
  /** Whether the route itself has set a field, even to its value in {@link outer}; by its lower-case name. */
  isSetByRoute(name: string): boolean
  /** What the route did to fields, whether or not outer middleware had set them for this client. Names in lower case. */
  readonly acts?: { readonly removed: ReadonlySet<string>; readonly appended: ReadonlySet<string> } | undefined
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
   * Records what the run reads of its request (fields, cookies), from `Exchange.forward` until it is closed.
   * Omitted if nothing needs to be watched.
   */
  readonly inputs?: InputsRead | undefined
  /** The object for the handler: `res.fallbackCache`, `ctx.fallbackCache`. */
  readonly handle: ResponseHandle
  /** Restores the request's own fields; set by `Exchange.forward` if it has changed some. */
  restore?: (() => void) | undefined
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
   * ways to notice a disconnect, and to stop early, than could be watched. Without that field the recording ends now,
   * because the handler may never end the response.
   */
  leave(): void
  /** The response will not be completed, or differs from its announcement. */
  abort(reason: 'aborted' | 'trailers' | 'fault'): void
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
  /** The names of {@link fields} in lower case, if names and values are known to be valid. */
  readonly checkedNames?: readonly string[] | undefined
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
