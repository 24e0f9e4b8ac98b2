import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

/**
 * Has `writeHead(status, fields)` only set status and fields, so that the head leaves with the first bytes: frameworks
 * that call it right before `end(body)` thus tell the cache of head and body at once, and a miss has the entity tag
 * that its hits are going to have. These frameworks keep their fields to themselves and give all of them at once: only those that have another value
 * than in front of the cache are the route's.
 */
export function sendHeadLate(response: ServerResponse): void {
  const { writeHead } = response
  response.writeHead = (status: number, second?: unknown, third?: unknown) => {
    response.writeHead = writeHead
    response.statusCode = status
    if (typeof second === 'string') response.statusMessage = second
    setChanged(response, (typeof second === 'string' ? third : (second ?? third)) as OutgoingHttpHeaders | undefined)
    return response
  }
}

/** Has `setHeader` leave a field alone that has the value already. */
export function ignoreUnchanged(response: ServerResponse): void {
  const { setHeader } = response
  response.setHeader = (name, value) =>
    String(value) === String(fieldOf(response, name)) ? response : setHeader.call(response, name, value)
}

/** Sets those fields of a head that have another value than the response has already. */
function setChanged(response: ServerResponse, fields: OutgoingHttpHeaders | undefined): void {
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value !== undefined && String(value) !== String(fieldOf(response, name))) response.setHeader(name, value)
  }
}

/** A field that is compared and not used: the cache observes the response's own method. */
function fieldOf(response: ServerResponse, name: string): unknown {
  return Object.getPrototypeOf(response).getHeader.call(response, name)
}
