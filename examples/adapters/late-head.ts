import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

/**
 * Has `writeHead(status, fields)` only set status and fields, so that the head leaves with the first bytes: frameworks
 * that call it right before `end(body)` thus tell the cache of head and body at once, and a miss has the entity tag
 * that its hits are going to have.
 */
export function sendHeadLate(response: ServerResponse): void {
  const { writeHead } = response
  response.writeHead = (status: number, second?: unknown, third?: unknown) => {
    response.writeHead = writeHead
    response.statusCode = status
    if (typeof second === 'string') response.statusMessage = second
    const fields = (typeof second === 'string' ? third : (second ?? third)) as OutgoingHttpHeaders | undefined
    for (const [name, value] of Object.entries(fields ?? {})) if (value !== undefined) response.setHeader(name, value)
    return response
  }
}
