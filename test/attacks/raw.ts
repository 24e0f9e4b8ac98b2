import { connect } from 'node:net'

/** Sends these bytes over a connection of their own and gives all that comes back until the server closes it. */
export function raw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    socket.write(bytes)
  })
}

/** A request of these lines, without a body, on a connection that ends with its answer. */
export function lines(...given: readonly string[]): Buffer {
  return Buffer.from(`${[...given, 'Connection: close'].join('\r\n')}\r\n\r\n`, 'latin1')
}
