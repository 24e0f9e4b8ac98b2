import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

const late = new WeakSet<ServerResponse>()
const watched = new WeakSet<ServerResponse>()

/**
 * Lets `writeHead(status, fields)` set status and fields only, so that the head is sent with the first bytes. Frameworks
 * call it right before `end(body)`; the cache then sees head and body at once, and a miss has the same entity tag as its
 * hits. Those frameworks keep all fields to themselves and pass them at once, so only fields whose values differ from
 * those set in front of the cache are the route's.
 *
 * @param onHead - called with those fields before they are set
 */
export function sendHeadLate(
  response: ServerResponse,
  onHead: (fields: OutgoingHttpHeaders | undefined) => void = () => {},
): void {
  if (late.has(response)) return
  late.add(response)
  const { writeHead } = response
  response.writeHead = (status: number, second?: unknown, third?: unknown) => {
    response.writeHead = writeHead
    response.statusCode = status
    if (typeof second === 'string') response.statusMessage = second
    const fields = (typeof second === 'string' ? third : (second ?? third)) as OutgoingHttpHeaders | undefined
    onHead(fields)
    setChanged(response, fields)
    return response
  }
}

/**
 * Lets `write` of a whole body, followed by `end` at once, be one `end(body)`: node-server sends a `Response` in that way
 * whose body it has read, and the cache then knows that nothing follows.
 */
export function endWithWhole(response: ServerResponse): void {
  const { write, end } = response
  const restore = () => Object.assign(response, { write, end })
  response.write = (...args: unknown[]) => {
    restore()
    const [chunk, ...rest] = args
    const isWhole =
      chunk instanceof Uint8Array && String(chunk.byteLength) === String(fieldValueOf(response, 'content-length'))
    if (!isWhole || rest.length > 0) return write.apply(response, args as never)
    let isEnded = false
    response.end = (...last: unknown[]) => {
      restore()
      isEnded = true
      if (last.length > 0) write.apply(response, args as never)
      return end.apply(response, (last.length > 0 ? last : args) as never)
    }
    queueMicrotask(() => {
      if (isEnded) return
      restore()
      write.apply(response, args as never)
    })
    return true
  }
}

const appended = new WeakMap<ServerResponse, ReadonlySet<string>>()

/** Lets a head that is sent late append to these fields, where middleware in front has set none, in lower case. */
export function appendLate(response: ServerResponse, names: ReadonlySet<string>): void {
  // The names of the first cache are of all that is behind it.
  if (!appended.has(response)) appended.set(response, names)
}

/**
 * Tells of fields that are set, appended to or removed on a response.
 *
 * @returns a function that ends this
 */
export function tellFields(response: ServerResponse, tell: (name: string) => void): () => void {
  let isOver = false
  for (const method of ['setHeader', 'appendHeader', 'removeHeader'] as const) {
    const call = response[method] as (...args: unknown[]) => unknown
    const telling = (name: string, ...rest: unknown[]) => {
      if (!isOver) tell(name)
      return call.call(response, name, ...rest)
    }
    Object.assign(response, { [method]: telling })
  }
  return () => {
    isOver = true
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
export function isSame(value: unknown, known: unknown): boolean {
  return known !== undefined && String(value) === String(known)
}

/** Sets the fields of a head whose values differ from those of the response. */
function setChanged(response: ServerResponse, fields: OutgoingHttpHeaders | undefined): void {
  for (const [name, value] of Object.entries(fields ?? {})) {
    const known = fieldValueOf(response, name)
    if (value === undefined || isSame(value, known)) continue
    // The cache takes it for all of the field otherwise, and a hit would replace what is in front for another client.
    const isAppended = known === undefined && appended.get(response)?.has(name.toLowerCase()) === true
    if (isAppended) response.appendHeader(name, value as string | string[])
    else response.setHeader(name, value)
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
