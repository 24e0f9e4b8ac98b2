import type { ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'

/** What a runtime passes to `fetch` beside the request: the server of Bun, or what Deno knows of the connection. */
export type FetchInfo = object | undefined

/** The server of a connection, and what the runtime tells of its client. */
interface Ends {
  readonly server: object
  readonly info: FetchInfo
}

interface Address {
  readonly address?: string
  readonly hostname?: string
  readonly port?: number
}

/** The methods of Bun's server and the properties of Deno that tell the address of a client. */
interface Connected {
  readonly remoteAddr?: Address
  requestIP?(request: Request): Address | null
}

/** The status with which servers log a client that has left. */
const CLIENT_LEFT = 499

/** Maximum bytes that are buffered before the `Response` is made. */
const WAITING = 65_536

/** Takes the bytes of one response for the connection to a client. */
export class FetchSocket extends Duplex {
  readonly server: object
  readonly encrypted: boolean
  #outgoing: ServerResponse | undefined
  readonly #request: Request
  readonly #connected: Connected
  readonly #resolve: (response: Response) => void
  readonly #reject: (error: Error) => void
  /** The bytes of the head as far as it has come, then those of the body until the response is made. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #head: Head | undefined
  #body: ReadableStreamDefaultController<Uint8Array> | undefined
  #isAnswered = false
  #resume: (() => void) | undefined

  constructor(
    request: Request,
    { server, info }: Ends,
    resolve: (response: Response) => void,
    reject: (error: Error) => void,
  ) {
    super()
    this.#request = request
    this.#connected = info ?? {}
    this.#resolve = resolve
    this.#reject = reject
    this.server = server
    this.encrypted = request.url.startsWith('https:')
  }

  /** The response that is written to it. */
  set outgoing(outgoing: ServerResponse) {
    this.#outgoing = outgoing
  }

  get remoteAddress(): string | undefined {
    const client = this.#client
    return client?.address ?? client?.hostname
  }

  get remotePort(): number | undefined {
    return this.#client?.port
  }

  get #client(): Address | null | undefined {
    return this.#connected.requestIP?.(this.#request) ?? this.#connected.remoteAddr
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    const body = this.#head === undefined ? this.#takeHead(chunk) : chunk
    if (body !== undefined && body.length > 0) this.#takeBody(body)
    if (this.#takesMore) callback()
    else this.#resume = callback
  }

  /** Whether more bytes are taken now; if not, they are taken when the client has read the earlier ones. */
  get #takesMore(): boolean {
    if (this.#body !== undefined) return (this.#body.desiredSize ?? 0) > 0
    // A response that has ended is buffered as a whole, and needs no stream.
    return this.#isAnswered || this.#outgoing?.writableEnded === true || this.#waitingBytes < WAITING
  }

  /** @returns the bytes behind the head, if it is complete */
  #takeHead(chunk: Buffer): Buffer | undefined {
    const bytes = Buffer.concat([...this.#waiting, chunk])
    const end = bytes.indexOf('\r\n\r\n')
    this.#wait(end < 0 ? [bytes] : [])
    if (end < 0) return undefined
    const head = parsed(bytes.toString('latin1', 0, end))
    const rest = bytes.subarray(end + 4)
    if (head.status < 200) return rest.length > 0 ? this.#takeHead(rest) : undefined
    this.#head = head
    // A response that is complete by then needs no stream.
    setImmediate(() => this.#answer(undefined))
    return rest
  }

  #takeBody(bytes: Buffer): void {
    if (this.#body === undefined) {
      this.#waiting.push(bytes)
      this.#waitingBytes += bytes.length
    } else {
      this.#body.enqueue(bytes)
    }
  }

  #wait(bytes: Buffer[]): void {
    this.#waiting = bytes
    this.#waitingBytes = bytes.reduce((sum, { length }) => sum + length, 0)
  }

  /** Called when the response has ended. */
  finish(): void {
    this.#answer(Buffer.concat(this.#waiting))
    this.#body?.close()
    this.#body = undefined
    if (!this.#isAnswered) this.destroy(new Error('the response has ended without a final status'))
  }

  #answer(whole: Buffer | undefined): void {
    if (this.#isAnswered || this.destroyed || this.#head === undefined) return
    const { status, reason, fields } = this.#head
    const hasBody = this.#request.method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304
    try {
      const body = (hasBody ? (whole ?? this.#stream()) : null) as Uint8Array<ArrayBuffer> | null
      const response = new Response(body, { status, statusText: reason, headers: fields })
      this.#isAnswered = true
      this.#resolve(response)
    } catch (error) {
      // A `Response` cannot have this status.
      this.destroy(error as Error)
    }
  }

  #stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (body) => {
        this.#body = body
        for (const bytes of this.#waiting) body.enqueue(bytes)
        this.#wait([])
      },
      pull: () => {
        const resume = this.#resume
        this.#resume = undefined
        resume?.()
      },
      cancel: () => this.leave(),
    })
  }

  /** Called when the client has left: nothing more is sent. */
  leave(): void {
    this.#body = undefined
    if (!this.#isAnswered) this.#resolve(new Response(null, { status: CLIENT_LEFT }))
    this.#isAnswered = true
    this.destroy()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const cause = error ?? new Error('the application has destroyed the response before its end')
    if (this.#isAnswered) this.#body?.error(cause)
    else this.#reject(cause)
    this.#body = undefined
    this.#isAnswered = true
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

  destroySoon(): void {
    this.end(() => this.destroy())
  }
}

interface Head {
  readonly status: number
  readonly reason: string
  readonly fields: [string, string][]
}

/** A head as Node.js has written it. */
function parsed(text: string): Head {
  const [line = '', ...lines] = text.split('\r\n')
  const fields = lines.map((field): [string, string] => {
    const colon = field.indexOf(':')
    return [field.slice(0, colon), field.slice(colon + 2)]
  })
  return {
    status: Number(line.slice(9, 12)),
    reason: line.slice(13),
    fields: fields.filter(([name]) => !OF_CONNECTION.has(name.toLowerCase())),
  }
}

/** Fields that describe a connection of Node.js, which does not exist here (RFC 9110, section 7.6.1). */
const OF_CONNECTION: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])
