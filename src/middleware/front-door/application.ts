import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** A request that has not entered the application yet. */
export interface Arrival {
  readonly raw: IncomingMessage
  /** Created on first access, because a hit without a response object is cheaper. */
  readonly response: ServerResponse
}

/** What the front door must know about a framework application. */
export interface FrontedApplication {
  /** The application's request listener. */
  readonly enter: RequestListener
  /** The X-Powered-By value that the application sets before anything else. */
  readonly poweredBy: string | undefined
  /**
   * The reason why hits are not served in front of the application, for a one-time warning; `undefined` if they are, or
   * if there is nothing to report.
   */
  readonly obstacle: string | undefined
  /** Whether no middleware of the application is mounted before the cache, so that none sets values on requests. */
  readonly isFirst: boolean
  /** Whether a hit would bypass no middleware that has to run for this request. */
  isOpenTo(request: IncomingMessage): boolean
  /**
   * The protocol and the host of a request, as the middleware will see them.
   *
   * @param forwarded - whether the request may have X-Forwarded-* fields
   * @param host - the Host field, if it was already read
   */
  protocolOf(arrival: Arrival, forwarded: boolean): string
  hostOf(arrival: Arrival, forwarded: boolean, host: string | undefined): string
  /** The session of a request, as the middleware would see it. */
  sessionOf(arrival: Arrival): unknown
}
