import { connect, createServer, type Server, type Socket } from 'node:net'

/** What becomes of one whole reply: the bytes that the client gets in its place. */
export type Mangle = (reply: Buffer, connection: Connection) => readonly Buffer[]

/** A place for what a {@link Mangle} wants to remember of a connection. */
export interface Connection {
  last: Buffer | undefined
}

/** A TCP proxy in front of a Redis that knows where one reply ends and the next begins, and passes on others in their place. */
export class ReplyProxy {
  readonly port: number
  readonly #server: Server
  readonly #clients: Set<Socket>

  /** Starts a proxy on a free port of 127.0.0.1. */
  static async start(port: number, mangle: Mangle): Promise<ReplyProxy> {
    const clients = new Set<Socket>()
    const server = createServer({ noDelay: true }, (client) => {
      clients.add(client)
      client.on('close', () => clients.delete(client))
      pass(client, connect({ host: '127.0.0.1', port, noDelay: true }), mangle)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new ReplyProxy(server, clients)
  }

  private constructor(server: Server, clients: Set<Socket>) {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
    this.port = address.port
    this.#server = server
    this.#clients = clients
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Closes the listener and all connections. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

function pass(client: Socket, server: Socket, mangle: Mangle): void {
  const connection: Connection = { last: undefined }
  let rest = Buffer.alloc(0)
  client.pipe(server)
  server.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk])
    for (let end = endOfReply(rest, 0); end !== undefined; end = endOfReply(rest, 0)) {
      const reply = rest.subarray(0, end)
      rest = rest.subarray(end)
      for (const bytes of mangle(reply, connection)) client.write(bytes)
    }
  })
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
}

/** Where the reply that begins at `at` ends; `undefined` when it is not complete. */
function endOfReply(bytes: Buffer, at: number): number | undefined {
  const line = bytes.indexOf('\r\n', at)
  if (line < 0) return undefined
  const next = line + 2
  const size = Number(bytes.toString('latin1', at + 1, line))
  const kind = String.fromCharCode(bytes[at] ?? 0)
  if ('$=!'.includes(kind)) {
    const end = size < 0 ? next : next + size + 2
    return end <= bytes.length ? end : undefined
  }
  const count = '*~>'.includes(kind) ? size : '%|'.includes(kind) ? 2 * size : 0
  let end: number | undefined = next
  for (let index = 0; index < count && end !== undefined; index++) end = endOfReply(bytes, end)
  return kind === '|' && end !== undefined ? endOfReply(bytes, end) : end
}
