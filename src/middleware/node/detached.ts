import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import timers from 'node:timers'
import { background } from '../../core/background.js'
import type { DetachedRun, RefreshHead } from '../../http/port/index.js'
import { FORWARDED_FIELDS } from '../../http/protocol/index.js'
import { NoSocket, requestOn, responseOn } from '../node-internals/index.js'
import { isEncrypted } from './origin-fields.js'

/** The server that handles requests: an emitter of `'request'` events. */
interface RequestTarget {
  emit(event: 'request', request: IncomingMessage, response: ServerResponse): boolean
}

// Captured at load time, because a test runner's fake timers would never fire.
const { setImmediate } = timers

/**
 * Runs the whole application without a client: passes a new request, with a response whose bytes are discarded, to the
 * server as if it had arrived. Calling `next()` would not work, because it is bound to a response that is already sent.
 *
 * @param request - the client's request, which provides the server, the HTTP version and the local address
 * @param content - the content of a QUERY; `undefined` for GET
 * @returns undefined if the server of the request cannot be found
 */
export function detachedRun(
  request: IncomingMessage,
  url: string,
  content: Buffer | undefined,
  head: RefreshHead,
): DetachedRun | undefined {
  const server = serverOf(request)
  return server && new Detached(server, { request, url, content }, head)
}

/** The client's request that is sent again. */
interface RepeatedRequest {
  readonly request: IncomingMessage
  readonly url: string
  readonly content: Buffer | undefined
}

class Detached implements DetachedRun {
  readonly #server: RequestTarget
  readonly #socket: NoSocket
  readonly #request: IncomingMessage

  constructor(server: RequestTarget, repeated: RepeatedRequest, head: RefreshHead) {
    const { request, content } = repeated
    const forwarded = forwardedFields(request, head)
    this.#server = server
    // The fields only differ behind a trusted proxy; the application must then see the proxy's address to trust it.
    const isForwarded =
      Object.keys(forwarded).length > 0 || FORWARDED_FIELDS.some((name) => head.headers[name] !== undefined)
    this.#socket = new NoSocket(request, isForwarded)
    const fields = { ...forwarded, ...head.headers, ...(content && { 'content-length': String(content.length) }) }
    this.#request = requestWith(repeated, fields, this.#socket)
  }

  start(introduce: (raw: object) => void, done: () => void): void {
    const socket = this.#socket
    const request = this.#request
    if (socket.destroyed) {
      done()
      return
    }
    const response = responseOn(request, socket)
    let isDone = false
    const finish = () => {
      if (isDone) return
      isDone = true
      done()
      socket.destroy()
    }
    response.once('close', finish)
    response.once('error', finish)
    socket.once('close', finish)
    introduce(request)
    setImmediate(() => background.runInAsyncScope(() => this.#server.emit('request', request, response)))
  }

  cancel(): void {
    this.#request.destroy()
    this.#socket.destroy()
  }
}

/**
 * The X-Forwarded-* fields with which the application resolves the same protocol and host as for the client's request.
 */
function forwardedFields(request: IncomingMessage, { headers, protocol, host }: RefreshHead): Record<string, string> {
  const own = isEncrypted(request.socket) ? 'https' : 'http'
  return {
    ...(protocol === own ? {} : { 'x-forwarded-proto': protocol }),
    ...(host === (headers.host ?? headers[':authority']) ? {} : { 'x-forwarded-host': host }),
  }
}

function serverOf(request: IncomingMessage): RequestTarget | undefined {
  const server: unknown = Reflect.get(request.socket, 'server')
  return isTarget(server) && server.listenerCount('request') > 0 ? server : undefined
}

function isTarget(server: unknown): server is RequestTarget & { listenerCount(event: string): number } {
  return typeof server === 'object' && server !== null && 'emit' in server && 'listenerCount' in server
}

function requestWith(
  { request, url, content }: RepeatedRequest,
  fields: RefreshHead['headers'],
  socket: NoSocket,
): IncomingMessage {
  const made = requestOn(socket)
  made.method = content === undefined ? 'GET' : 'QUERY'
  made.url = url
  made.httpVersion = request.httpVersion
  made.httpVersionMajor = request.httpVersionMajor
  made.httpVersionMinor = request.httpVersionMinor
  made.rawHeaders = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return []
    return typeof value === 'string' ? [name, value] : value.flatMap((line) => [name, line])
  })
  made.headers = { ...fields } as IncomingHttpHeaders
  made.complete = true
  if (content !== undefined && content.length > 0) made.push(content)
  made.push(null)
  return made
}
