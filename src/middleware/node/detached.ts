import { AsyncResource } from 'node:async_hooks'
import { type IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { DetachedRun, RefreshHead } from '../../http/port/index.js'

/** The server that handles requests: an emitter of `'request'` events. */
interface RequestTarget {
  emit(event: 'request', request: IncomingMessage, response: ServerResponse): boolean
}

/** The async context of detached runs, which belong to no request. */
const detachedContext = new AsyncResource('FallbackCacheRefresh')

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
    this.#socket = new NoSocket(request, Object.keys(forwarded).length > 0)
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
    const response = new ServerResponse(request)
    response.assignSocket(socket as unknown as Socket)
    let isDone = false
    const finish = () => {
      if (isDone) return
      isDone = true
      done()
      socket.destroy()
    }
    response.once('finish', () => {
      response.detachSocket(socket as unknown as Socket)
      // Like Node.js's server, so that code waiting for the end of the connection is notified.
      process.nextTick(() => response.emit('close'))
    })
    response.once('close', finish)
    response.once('error', finish)
    socket.once('close', finish)
    introduce(request)
    setImmediate(() => detachedContext.runInAsyncScope(() => this.#server.emit('request', request, response)))
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
  const own = 'encrypted' in request.socket && request.socket.encrypted ? 'https' : 'http'
  return {
    ...(protocol === own ? {} : { 'x-forwarded-proto': protocol }),
    ...(host === headers.host ? {} : { 'x-forwarded-host': host }),
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
  const made = new IncomingMessage(socket as unknown as Socket)
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

/** An address reserved for documentation (RFC 5737): no client has it, and no application trusts it. */
const NO_ADDRESS = '192.0.2.1'

/** A socket without a client: written bytes are discarded. Its local address is that of the original connection. */
class NoSocket extends Duplex {
  readonly encrypted: unknown
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly remoteFamily: string | undefined
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly server: unknown

  constructor(request: IncomingMessage, isForwarded: boolean) {
    super()
    const { socket } = request
    this.encrypted = Reflect.get(socket, 'encrypted')
    this.remoteAddress = isForwarded ? socket.remoteAddress : NO_ADDRESS
    this.remotePort = isForwarded ? socket.remotePort : 0
    this.remoteFamily = isForwarded ? socket.remoteFamily : 'IPv4'
    this.localAddress = socket.localAddress
    this.localPort = socket.localPort
    this.server = Reflect.get(socket, 'server')
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: BufferEncoding, callback: () => void): void {
    callback()
  }

  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  address(): object {
    return {}
  }

  destroySoon(): void {
    this.destroy()
  }
}
