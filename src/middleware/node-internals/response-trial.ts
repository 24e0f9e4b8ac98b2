import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Reply } from '../../http/port/index.js'

/** A reply for the self-tests. */
export function trialReply(status: number, body: Buffer | undefined, length: number | undefined): Reply {
  const fields = ['Content-Type', 'text/plain', 'Date', 'Thu, 01 Jan 1970 00:00:00 GMT', 'X-Latin', 'caf\u00e9']
  const checkedNames = ['content-type', 'date', 'x-latin']
  if (length !== undefined) {
    fields.push('Content-Length', String(length))
    checkedNames.push('content-length')
  }
  return { status, reason: undefined, fields, checkedNames, removed: [], body }
}

/** The result of sending a reply in the normal way. */
export function ordinaryTrial(method: string, reply: Reply): ResponseTrial {
  const ordinary = new ResponseTrial(method)
  ordinary.response.statusCode = reply.status
  ordinary.response.setHeader('X-Powered-By', 'trial')
  for (let at = 0; at < reply.fields.length; at += 2) {
    ordinary.response.setHeader(String(reply.fields[at]), reply.fields[at + 1] ?? '')
  }
  ordinary.response.end(reply.body)
  return ordinary
}

/** A connection that collects the written bytes instead of sending them. */
export class NoConnection extends Duplex {
  readonly #written: Buffer[] = []

  override _read(): void {}

  override _write(bytes: Buffer, encoding: BufferEncoding, done: () => void): void {
    this.#written.push(typeof bytes === 'string' ? Buffer.from(bytes, encoding) : bytes)
    done()
  }

  /** All bytes written so far. */
  get written(): Buffer {
    return Buffer.concat(this.#written)
  }
}

/** A response on a {@link NoConnection}, for the self-tests. */
export class ResponseTrial {
  readonly response: ServerResponse
  readonly #connection = new NoConnection()

  constructor(method: string) {
    const socket = this.#connection as unknown as Socket
    const request = new IncomingMessage(socket)
    request.method = method
    request.httpVersionMajor = 1
    request.httpVersionMinor = 1
    this.response = new ServerResponse(request)
    Object.assign(this.response, { _keepAliveTimeout: 5000, _maxRequestsPerSocket: 9 })
    this.response.assignSocket(socket)
  }

  get written(): Buffer {
    return this.#connection.written
  }

  equals(other: ResponseTrial): boolean {
    return this.written.length > 0 && this.written.equals(other.written) && this.#state() === other.#state()
  }

  #state(): string {
    const { headersSent, writableEnded, statusCode, statusMessage, writableLength } = this.response
    const { _last: isLast, _hasBody: hasBody } = this.response as unknown as {
      readonly _last: boolean
      readonly _hasBody: boolean
    }
    const fields = this.response.getHeaders()
    return JSON.stringify({
      hasBody,
      headersSent,
      writableEnded,
      statusCode,
      statusMessage,
      writableLength,
      isLast,
      fields,
    })
  }
}
