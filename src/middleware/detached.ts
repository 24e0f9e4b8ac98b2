import { AsyncResource } from 'node:async_hooks'
import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { FieldChanges } from '../http/exchange.js'

/** A request to be made once more, for no client. */
export interface DetachedRun {
  /** The request that it is a copy of. */
  readonly original: IncomingMessage
  /** The target as it came, whatever has been made of `original.url` since. */
  readonly url: string
  /** What differs from the fields of the original. */
  readonly changes: FieldChanges
  /** Called with the copy before the application sees it. */
  readonly introduce: (copy: IncomingMessage) => void
  /** Called once, when the answer is complete or will never be. */
  readonly done: () => void
}

/**
 * Sends a copy of a request through a whole application, and its answer nowhere: `next()` is bound to an answer that has
 * been sent already, so a refresh has to begin at the front door. The copy is a GET without a body, it comes from the
 * same address over the same protocol, and it runs outside of the present request's async context.
 */
export function runDetached(application: RequestListener, run: DetachedRun): void {
  const socket = new NobodysSocket(run.original.socket)
  const req = copyOf(run.original, socket, run)
  const res = new ServerResponse<IncomingMessage>(req)
  // An HTTP server does the same for the answers that it sends.
  res.assignSocket(socket as unknown as Socket)
  res.once('finish', () => {
    res.detachSocket(socket as unknown as Socket)
    socket.destroy()
    res.emit('close')
  })
  let isDone = false
  res.once('close', () => {
    if (!isDone) run.done()
    isDone = true
  })
  run.introduce(req)
  outside.runInAsyncScope(() => {
    try {
      application(req, res)
    } catch {
      res.destroy()
    }
  })
}

/** Made while no request is there, so what runs in it belongs to none. */
const outside = new AsyncResource('fallback-cache refresh')

function copyOf(original: IncomingMessage, socket: NobodysSocket, { url, changes }: DetachedRun): IncomingMessage {
  const copy = new IncomingMessage(socket as unknown as Socket)
  copy.method = 'GET'
  copy.url = url
  copy.httpVersion = '1.1'
  copy.httpVersionMajor = 1
  copy.httpVersionMinor = 1
  const { host, fields } = fieldsOf(original)
  for (const [name, value] of Object.entries({ ...fields, ...host, ...changes })) {
    if (value === undefined) continue
    copy.headers[name] = value
    for (const line of Array.isArray(value) ? value : [value]) copy.rawHeaders.push(name, line)
  }
  copy.complete = true
  copy.push(null)
  return copy
}

/** The fields that a request without a body may keep; HTTP/2 has the host under another name. */
function fieldsOf({ headers }: IncomingMessage) {
  const authority = headers[':authority']
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith(':') && !BODY_FIELDS.has(name))
  const host = headers.host === undefined && typeof authority === 'string' ? { host: authority } : {}
  return { host, fields: Object.fromEntries(kept) }
}

const BODY_FIELDS = new Set(['content-length', 'transfer-encoding', 'expect', 'upgrade', 'trailer'])

/** A connection to nobody: everything written to it is gone. */
class NobodysSocket extends Duplex {
  readonly encrypted: boolean
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly remoteFamily: string | undefined
  readonly localAddress: string | undefined
  readonly localPort: number | undefined

  constructor(model: Socket) {
    super()
    this.encrypted = (model as { readonly encrypted?: boolean }).encrypted === true
    this.remoteAddress = model.remoteAddress
    this.remotePort = model.remotePort
    this.remoteFamily = model.remoteFamily
    this.localAddress = model.localAddress
    this.localPort = model.localPort
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: BufferEncoding, callback: () => void): void {
    callback()
  }

  override _writev(_chunks: unknown, callback: () => void): void {
    callback()
  }

  address(): { address?: string; port?: number } {
    return {
      ...(this.localAddress !== undefined && { address: this.localAddress }),
      ...(this.localPort !== undefined && { port: this.localPort }),
    }
  }

  // What applications and frameworks ask of a socket, and what means nothing here.
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
}
