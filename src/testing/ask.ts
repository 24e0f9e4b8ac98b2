import { type IncomingHttpHeaders, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text as textOf } from 'node:stream/consumers'

/** A request that the check sends. */
export interface Question {
  readonly method: string
  /** Fields by lower-case name. May include `host`, which `fetch` ignores before Node.js 22. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

/** A complete response. Redirects are not followed. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Maximum time until a response is complete, in milliseconds. */
const TIMEOUT = 10_000

/**
 * Sends a request over HTTP or HTTPS.
 *
 * @throws Error if the connection fails, or the response is not complete within 10 seconds
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
