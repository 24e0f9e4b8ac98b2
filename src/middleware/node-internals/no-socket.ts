import type { IncomingMessage } from 'node:http'
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
