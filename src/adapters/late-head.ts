import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

const late = new WeakSet<ServerResponse>()
const watched = new WeakSet<ServerResponse>()

/**
 * Lets `writeHead(status, fields)` set status and fields only, so that the head is sent with the first bytes. Frameworks
 * call it right before `end(body)`; the cache then sees head and body at once, and a miss has the same entity tag as its
 * hits. Those frameworks keep all fields to themselves and pass them at once, so only fields whose values differ from
 * those set in front of the cache are the route's.
 */
export function sendHeadLate(response: ServerResponse): void {
  if (late.has(response)) return
  late.add(response)
  const { writeHead } = response
  response.writeHead = (status: number, second?: unknown, third?: unknown) => {
    response.writeHead = writeHead
    response.statusCode = status
    if (typeof second === 'string') response.statusMessage = second
    setChanged(response, (typeof second === 'string' ? third : (second ?? third)) as OutgoingHttpHeaders | undefined)
    return response
  }
}

/** Lets `setHeader` ignore a field that already has the value. */
export function ignoreUnchanged(response: ServerResponse): void {
  if (watched.has(response)) return
  watched.add(response)
  const { setHeader } = response
  response.setHeader = (name, value) =>
    isSame(value, fieldValueOf(response, name)) ? response : setHeader.call(response, name, value)
}

/** Whether a field has this value already; an absent one differs from the text `undefined`. */
function isSame(value: unknown, known: unknown): boolean {
  return known !== undefined && String(value) === String(known)
}

/** Sets the fields of a head whose values differ from those of the response. */
function setChanged(response: ServerResponse, fields: OutgoingHttpHeaders | undefined): void {
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value !== undefined && !isSame(value, fieldValueOf(response, name))) response.setHeader(name, value)
  }
}

/** The names of the fields of a response, which is no read of them: the cache observes the response's own method. */
export function namesOfFields(response: ServerResponse): readonly string[] {
  return Object.getPrototypeOf(response).getHeaderNames.call(response)
}

/** A field that is compared and not used: the cache observes the response's own method. */
export function fieldValueOf(response: ServerResponse, name: string): number | string | string[] | undefined {
  return Object.getPrototypeOf(response).getHeader.call(response, name)
}
