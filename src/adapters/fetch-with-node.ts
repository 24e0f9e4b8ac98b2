import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import { type FetchInfo, FetchSocket } from './fetch-socket.js'

export type { FetchInfo } from './fetch-socket.js'

/**
 * Answers requests of the Fetch API with a listener of Node.js, without a server and a connection: the response is that
 * of Node.js, whose bytes become a `Response`. The promise rejects if the listener throws, destroys the response before
 * its head, or ends it with a status that a `Response` cannot have: below 200 or above 599.
 */
export function fetchWithNode(listener: RequestListener): (request: Request, info?: FetchInfo) => Promise<Response> {
  const server = {
    listenerCount: () => 1,
    emit(_event: 'request', incoming: IncomingMessage, outgoing: ServerResponse): boolean {
      listener(incoming, outgoing)
      return true
    },
  }
  return (request, info) =>
    new Promise((resolve, reject) => {
      const socket = new FetchSocket(request, { server, info }, resolve, reject)
      const incoming = incomingOf(request, socket)
      const outgoing = outgoingOf(incoming, socket)
      onLeave(request, info, () => socket.leave())
      listener(incoming, outgoing)
    })
}

/** Calls a listener when the client leaves. Deno reports by its own promise, and warns where the signal is read. */
function onLeave(request: Request, info: FetchInfo, listener: () => void): void {
  const { completed } = (info ?? {}) as { readonly completed?: Promise<void> }
  if (completed === undefined) request.signal.addEventListener('abort', listener, { once: true })
  else completed.catch(listener)
}

function incomingOf(request: Request, socket: FetchSocket): IncomingMessage {
  const { url } = request
  // The path begins behind the authority. `new URL()` would drop an empty query.
  const path = url.indexOf('/', url.indexOf('//') + 2)
  const incoming = new IncomingMessage(socket as never)
  const fields = new Map(request.headers)
  if (!fields.has('host')) fields.set('host', url.slice(url.indexOf('//') + 2, path))
  const { body } = request
  if (body !== null && !fields.has('content-length')) fields.set('transfer-encoding', 'chunked')
  incoming.method = request.method
  incoming.url = url.slice(path).split('#', 1)[0]
  incoming.httpVersion = '1.1'
  incoming.httpVersionMajor = 1
  incoming.httpVersionMinor = 1
  incoming.headers = Object.fromEntries(fields)
  incoming.rawHeaders = [...fields].flat()
  if (body === null) {
    incoming.complete = true
    incoming.push(null)
  } else {
    incoming._read = readerOf(incoming, body)
  }
  return incoming
}

/** Reads the body when Node.js asks for it, until it has enough: a request asks once, not for each piece. */
function readerOf(incoming: IncomingMessage, body: ReadableStream<Uint8Array>): () => void {
  const reader = body.getReader()
  let isReading = false
  const read = async () => {
    isReading = true
    let wantsMore = true
    while (wantsMore) {
      const { done, value } = await reader.read()
      if (done) incoming.complete = true
      wantsMore = incoming.push(done ? null : Buffer.from(value)) && !done
    }
    isReading = false
  }
  return () => {
    if (!isReading) read().catch((error: Error) => incoming.destroy(error))
  }
}

function outgoingOf(incoming: IncomingMessage, socket: FetchSocket): ServerResponse {
  const outgoing = new ServerResponse(incoming)
  // The body gets no framing, because its bytes become those of the `Response`.
  outgoing.shouldKeepAlive = false
  outgoing.useChunkedEncodingByDefault = false
  // No chunk sizes either, even if the application sets `Transfer-Encoding: chunked`, as `streamText` of Hono does.
  Object.defineProperty(outgoing, 'chunkedEncoding', { get: () => false, set: () => {} })
  outgoing.assignSocket(socket as never)
  socket.outgoing = outgoing
  outgoing.once('finish', () => {
    socket.finish()
    outgoing.detachSocket(socket as never)
    process.nextTick(() => outgoing.emit('close'))
  })
  socket.on('drain', () => {
    if (!outgoing.writableEnded) outgoing.emit('drain')
  })
  // The handler may still be reading the request: this tells it that the client has left.
  socket.once('close', () => {
    if (!incoming.complete) incoming.destroy()
  })
  return outgoing
}
