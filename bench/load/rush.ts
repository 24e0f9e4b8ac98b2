import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Asks over many connections at one moment. The connections are there before. */
export class Rush {
  readonly #sockets: readonly Socket[]

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
  }

  /** Opens so many connections, spread over the ports. */
  static async open(ports: readonly number[], connections: number): Promise<Rush> {
    const sockets = Array.from({ length: connections }, (_, at) => connect(ports[at % ports.length] ?? 0, '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    return new Rush(sockets)
  }

  /** Sends a request on each of them, and says how many milliseconds later the last one has its whole answer. */
  async run(pathOf: (connection: number) => string, host: string): Promise<number> {
    const begun = performance.now()
    await Promise.all(this.#sockets.map((socket, at) => answerOn(socket, pathOf(at), host)))
    const time = performance.now() - begun
    this.close()
    return time
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** `Connection: close` makes the end of the answer the end of the connection, however long the answer is. */
async function answerOn(socket: Socket, path: string, host: string): Promise<void> {
  let status = ''
  socket.on('data', (chunk: Buffer) => {
    if (status === '') status = chunk.toString('latin1', 9, 12)
  })
  const ended = once(socket, 'end')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  await ended
  if (status !== '200') throw new Error(`${path} was answered with ${status}`)
}
