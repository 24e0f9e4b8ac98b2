import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Whether the connection of a response has ended, as far as its handler can know: a handler can notice or check that
 * before the response's `close` event. HTTP/2 has a stream for each response.
 */
export function hasDeparted(request: IncomingMessage, response: ServerResponse): boolean {
  if (response.destroyed) return true
  const { stream } = response as { readonly stream?: Http2Stream | undefined }
  if (stream !== undefined) return stream.destroyed || stream.aborted
  const socket = socketOf(request) ?? response.socket
  return socket === null || socket.destroyed || socket.readableEnded || socket.writableEnded
}

/** Whether a response has ended without its client: its `close` event was emitted, and will not be emitted again. */
export function isClosed(response: ServerResponse): boolean {
  const { stream } = response as { readonly stream?: Http2Stream | undefined }
  return stream === undefined ? response.destroyed : stream.destroyed || stream.aborted
}

/**
 * Calls a listener of `close`, also if the client left before: a handler that notices may never end the response. The
 * event is emitted once, so that its listener need not be removed.
 */
export function onceClosed(response: ServerResponse, listener: () => void): void {
  if (isClosed(response)) process.nextTick(() => listener.call(response))
  else response.on('close', listener)
}

/**
 * The connection of a request; `null` if Node.js has taken it from the request, which it does when a handler stops to
 * read the body before its end (`break` in `for await`, `pipeline`, the `cancel` of a web stream).
 */
export function socketOf(request: IncomingMessage): Socket | null {
  return request.socket
}

/** The properties of an HTTP/2 stream that tell whether it has ended. */
interface Http2Stream extends Pick<Duplex, 'destroyed'> {
  readonly aborted: boolean
}
