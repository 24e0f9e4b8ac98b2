import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** An address reserved for documentation (RFC 5737): no client has it, and no application trusts it. */
const NO_ADDRESS = '192.0.2.1'

/** A socket without a client: written bytes are discarded. Its local address is that of the original connection. */
export class NoSocket extends Duplex {
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

/** A request that has arrived on no connection. */
export function requestOn(socket: NoSocket): IncomingMessage {
  return new IncomingMessage(asSocket(socket))
}

/** The response to a request that has arrived on no connection: it ends as one of Node.js's server does. */
export function responseOn(request: IncomingMessage, socket: NoSocket): ServerResponse {
  const response = new ServerResponse(request)
  response.assignSocket(asSocket(socket))
  response.once('finish', () => {
    response.detachSocket(asSocket(socket))
    // Like Node.js's server, so that code waiting for the end of the connection is notified.
    process.nextTick(() => response.emit('close'))
  })
  return response
}

/** Node.js uses only what a {@link NoSocket} has. */
function asSocket(socket: NoSocket): Socket {
  return socket as unknown as Socket
}
