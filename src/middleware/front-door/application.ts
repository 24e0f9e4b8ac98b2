import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** A request in front of an application. */
export interface Arrival {
  readonly raw: IncomingMessage
  /** Made when it is asked for: without it, a hit costs less. */
  readonly response: ServerResponse
}

/** An application, as far as it has to be known in front of it. */
export interface Interior {
  /** The application itself. */
  readonly enter: RequestListener
  /** What the application sets X-Powered-By to before anything else. */
  readonly poweredBy: string | undefined
  /** Why hits are not answered in front of it, to be said once; `undefined`: they are, or there is nothing to be said. */
  readonly obstacle: string | undefined
  /** Whether nothing that stands before the cache and has to run would be passed by. */
  isOpenTo(request: IncomingMessage): boolean
  /**
   * The protocol and the host of a request as the middleware is going to see them.
   *
   * @param forwarded - whether a proxy may have said something about it
   * @param host - the Host field, if it has been seen
   */
  protocolOf(arrival: Arrival, forwarded: boolean): string
  hostOf(arrival: Arrival, forwarded: boolean, host: string | undefined): string
  /** The session of a request, as far as the middleware would see one. */
  sessionOf(arrival: Arrival): unknown
}
