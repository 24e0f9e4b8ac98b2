import { IncomingMessage, ServerResponse } from 'node:http'
import type { Reply } from '../../http/port/index.js'
import { METHODS_OF_NODE } from './node-methods.js'
import { hasNoFields } from './outgoing-fields.js'

/** Private properties of Node.js's response that a prepared head relies on. */
export interface Internals {
  _header: string | null
  _headerSent: boolean
  _hasBody: boolean
  readonly _defaultKeepAlive: boolean
  readonly _removedConnection: boolean
  readonly _expect_continue: boolean
  readonly _keepAliveTimeout: number
  readonly _maxRequestsPerSocket: number | null | undefined
  readonly maxRequestsOnConnectionReached: boolean
  readonly _implicitHeader: unknown
  _send(bytes: Buffer | string, encoding?: 'latin1'): boolean
}

const { end, write, writeHead, send, implicitHeader, emit, push } = METHODS_OF_NODE

/** Whether a response is unmodified, its connection stays open, and the reply fits the request's method. */
export function isUntouched(response: ServerResponse, { status, body }: Reply): boolean {
  const { _hasBody: hasBody } = response as unknown as Internals
  // A HEAD response must have no body, and a reply to another method must have one.
  return (
    isAsMade(response) && (status === 304 ? response.useChunkedEncodingByDefault : hasBody === (body !== undefined))
  )
}

function isAsMade(response: ServerResponse): boolean {
  const internals = response as unknown as Internals
  return (
    internals._header === null &&
    response.end === end &&
    response.write === write &&
    response.writeHead === writeHead &&
    internals._send === send &&
    internals._implicitHeader === implicitHeader &&
    response.shouldKeepAlive &&
    response.sendDate &&
    response.statusMessage === undefined &&
    !response.strictContentLength &&
    internals._defaultKeepAlive &&
    !internals._removedConnection &&
    !internals._expect_continue &&
    !internals.maxRequestsOnConnectionReached
  )
}

/**
 * Whether a new response is a plain Node.js one: no other code has patched it, listens to it or its request, or traces
 * it.
 */
export function isOfNode(response: ServerResponse): boolean {
  const { req: request } = response
  const { _traceEventId: trace } = response as unknown as { readonly _traceEventId?: unknown }
  return (
    isAsMade(response) &&
    hasNoFields(response) &&
    // Subclasses may override any method. Express's prototypes inherit `constructor`, so they pass this check.
    response.constructor === ServerResponse &&
    request.constructor === IncomingMessage &&
    // Node.js's own 'finish' listener.
    response.listenerCount('finish') === 1 &&
    response.eventNames().length === 1 &&
    request.eventNames().length === 0 &&
    response.emit === emit &&
    request.emit === emit &&
    request.push === push &&
    trace === undefined &&
    // Present while a PerformanceObserver observes 'http' entries.
    !Object.getOwnPropertySymbols(response).some(({ description }) => description === 'ServerResponseStatistics')
  )
}
