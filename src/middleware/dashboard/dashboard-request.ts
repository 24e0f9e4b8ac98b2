import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { DashboardAnswer, DashboardRequest } from '../../dashboard/answer.js'

/**
 * A request to the dashboard.
 *
 * @param below - the URL below the path of the dashboard, as the framework makes it; `'/'` for that path itself
 * @param asked - the URL as the client has sent it
 * @param body - the parsed body, if middleware in front has read it
 */
export function dashboardRequest(
  request: IncomingMessage,
  below: string,
  asked: string,
  body: unknown = (request as { readonly body?: unknown }).body,
): DashboardRequest {
  const [path = '', query = ''] = below.split('?', 2)
  const [sent = ''] = asked.split('?', 1)
  return {
    method: request.method ?? 'GET',
    path: path === '/' && !sent.endsWith('/') ? '' : path,
    ownName: decoded(sent.slice(sent.lastIndexOf('/') + 1)),
    query: new URLSearchParams(query),
    headers: request.headers,
    readBody: (limit) =>
      isParsed(body) ? Promise.resolve(Buffer.from(JSON.stringify(body))) : readBody(request, limit),
  }
}

/** Sends an answer. A client that has left ends a stream. */
export function sendAnswer(response: ServerResponse, { status, headers, body }: DashboardAnswer): void {
  // Middleware in front may have answered already, such as one that limits the time.
  if (response.headersSent || response.destroyed) {
    if (body instanceof Readable) body.destroy()
    return
  }
  response.writeHead(status, headers)
  if (!(body instanceof Readable)) {
    response.end(body)
    return
  }
  // A stream without end would keep the server from closing.
  const { server } = response.req.socket as { readonly server?: { readonly listening?: boolean } }
  const watching = setInterval(() => {
    if (server?.listening === false) response.end()
  }, LOOK_EVERY).unref()
  response.once('close', () => {
    clearInterval(watching)
    body.destroy()
  })
  body.once('close', () => response.end())
  body.pipe(response)
}

/** How often a stream looks whether its server closes, in ms. */
const LOOK_EVERY = 500

function isParsed(body: unknown): body is object {
  return typeof body === 'object' && body !== null
}

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  // Destroying the request would close the connection before the answer is sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length
    if (length > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
