import { AsyncResource } from 'node:async_hooks'
import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { FieldChanges } from '../http/exchange.js'

/** What answers requests: a server, as it emits them. */
interface RequestTarget {
  emit(event: 'request', request: IncomingMessage, response: ServerResponse): boolean
}

/** Where a detached run belongs: to no request. */
const nobody = new AsyncResource('FallbackCacheRefresh')

/**
 * Runs the whole application once more for no client: a copy of a request, with a response whose bytes go nowhere, is
 * handed to the server as if it had come in. `next()` would not do: it is bound to a response that is already sent.
 *
 * @param content - what the request came with, for a QUERY; `undefined` for GET
 * @param introduce - called with the copy before the application sees it
 * @param done - called once, when the answer is complete or lost
 * @returns false when the server of the request cannot be found; nothing was called then
 */
export function runDetached(
  request: IncomingMessage,
  url: string,
  content: Buffer | undefined,
  changes: FieldChanges,
  introduce: (copy: IncomingMessage) => void,
  done: () => void,
): boolean {
  const server = serverOf(request)
  if (server === undefined) return false
  const socket = new NoSocket(request)
  const copy = copyOf(
    request,
    url,
    content,
    content === undefined ? changes : { ...changes, ...fieldsOf(content) },
    socket,
  )
  const response = new ServerResponse(copy)
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
    // As node's server does: what waits for the connection's end is not to wait for ever.
    process.nextTick(() => response.emit('close'))
  })
  response.once('close', finish)
  response.once('error', finish)
  introduce(copy)
  setImmediate(() => nobody.runInAsyncScope(() => server.emit('request', copy, response)))
  return true
}

function serverOf(request: IncomingMessage): RequestTarget | undefined {
  const server: unknown = Reflect.get(request.socket, 'server')
  return isTarget(server) && server.listenerCount('request') > 0 ? server : undefined
}

function isTarget(server: unknown): server is RequestTarget & { listenerCount(event: string): number } {
  return typeof server === 'object' && server !== null && 'emit' in server && 'listenerCount' in server
}

/** How long the content is, however it came. */
function fieldsOf(content: Buffer): FieldChanges {
  return { 'content-length': String(content.length), 'transfer-encoding': undefined }
}

function copyOf(
  request: IncomingMessage,
  url: string,
  content: Buffer | undefined,
  changes: FieldChanges,
  socket: NoSocket,
): IncomingMessage {
  const copy = new IncomingMessage(socket as unknown as Socket)
  copy.method = content === undefined ? 'GET' : 'QUERY'
  copy.url = url
  copy.httpVersion = request.httpVersion
  copy.httpVersionMajor = request.httpVersionMajor
  copy.httpVersionMinor = request.httpVersionMinor
  const rawHeaders: string[] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? ''
    // The fields of http2 that start with a colon are its request line.
    if (name.toLowerCase() in changes || name.startsWith(':')) continue
    rawHeaders.push(name, request.rawHeaders[at + 1] ?? '')
  }
  for (const [name, value] of Object.entries(changes)) if (value !== undefined) rawHeaders.push(name, value)
  copy.rawHeaders = rawHeaders
  copy.headers = { ...request.headers }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete copy.headers[name]
    else copy.headers[name] = value
  }
  copy.complete = true
  if (content !== undefined && content.length > 0) copy.push(content)
  copy.push(null)
  return copy
}

/** A connection to nobody: what is written is gone, what middleware asks about the client is answered as for the original. */
class NoSocket extends Duplex {
  readonly encrypted: unknown
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly remoteFamily: string | undefined
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly server: unknown

  constructor(request: IncomingMessage) {
    super()
    const { socket } = request
    this.encrypted = Reflect.get(socket, 'encrypted')
    this.remoteAddress = socket.remoteAddress
    this.remotePort = socket.remotePort
    this.remoteFamily = socket.remoteFamily
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
