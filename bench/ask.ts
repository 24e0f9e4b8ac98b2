import { type IncomingHttpHeaders, request } from 'node:http'

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** Milliseconds from the request to its head, and to the first byte of the body. */
  readonly firstByte: number
}

/** What a request has beside its path. */
export interface Asking {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One request over a connection of its own. */
export function ask(port: number, path: string, { method = 'GET', headers = {} }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const begun = performance.now()
    const outgoing = request({ port, host: '127.0.0.1', method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      let firstByte = Number.NaN
      response.on('data', (chunk: Buffer) => {
        if (chunks.length === 0) firstByte = performance.now() - begun
        chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, body: Buffer.concat(chunks), firstByte })
      })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
