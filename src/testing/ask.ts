import { type IncomingHttpHeaders, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text as textOf } from 'node:stream/consumers'

/** A request of the check. */
export interface Question {
  readonly method: string
  /** Fields by name in lower case. `host` may be one of them, which `fetch` ignores before Node.js 22. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

/** An answer, read to its end. A redirect is an answer like any other. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Milliseconds until an answer is complete. */
const TIMEOUT = 10_000

/**
 * Asks a server over HTTP or HTTPS.
 *
 * @throws Error when the connection fails, or the answer is not complete within 10 seconds
 */
export async function ask(url: URL, { method, headers, body }: Question): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const signal = AbortSignal.timeout(TIMEOUT)
  return await new Promise((resolve, reject) => {
    const asked = request(url, { method, headers: { ...headers, ...length }, signal }, (response) => {
      const { statusCode: status = 0 } = response
      textOf(response).then((text) => resolve({ status, headers: response.headers, text }), reject)
    })
    asked.once('error', reject)
    asked.end(body)
  })
}
