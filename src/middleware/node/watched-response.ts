import type { ServerResponse } from 'node:http'
import type { Recording, ResponseHead } from '../../http/port/index.js'
import { onceClosed } from './departure.js'
import type { NodeRequest } from './node-response.js'
import { ResponseWatch } from './response-watch.js'
import { methodsWith } from './shared-methods.js'
import { watchEndings } from './trailers.js'

/**
 * Records everything written to a response from now on.
 *
 * The methods of this response are replaced, with the same behaviour for the application: return values, backpressure,
 * callbacks, `finish` and `close`. Changes that outer middleware makes in its own `writeHead` come later and are not
 * seen; those of the route are.
 *
 * @param restore - restores the request's own fields; called before the head is passed on
 * @returns the fields that outer middleware has set
 */
export function watchResponse(
  request: NodeRequest,
  response: ServerResponse,
  recording: Recording,
  restore: () => void,
): ResponseHead['outer'] {
  const watch = new ResponseWatch(request, response, recording, restore)
  const { write, end } = response
  if (write === METHODS.write && end === METHODS.end) watch.around = (response as Watched)[WATCH]
  // Another watch nearer to the client exists; the replaced methods call its methods.
  const methods = WATCH in response ? methodsWith(METHODS, WATCH, watch) : METHODS
  if (methods === METHODS) (response as Watched)[WATCH] = watch
  response.writeHead = methods.writeHead
  response.write = methods.write
  response.end = methods.end
  if (recording.wants === 'head') return watch.head.outer
  response.addTrailers = methods.addTrailers
  watchEndings(response, ['setTrailer', 'detachSocket'], recording)
  // Node.js does not call destroy() when a client disconnects, so a call means that the handler has given up.
  response.destroy = methods.destroy
  onceClosed(response, methods.onClose)
  return watch.head.outer
}

/** The property under which a response stores its watch. */
const WATCH = Symbol('fallback-cache.watch')

/** A response with a watch. */
type Watched = ServerResponse & { [WATCH]: ResponseWatch }

/** The replacements for a response's own methods, and its 'close' listener. */
interface WatchedMethods {
  writeHead(...args: unknown[]): ServerResponse
  write(...args: unknown[]): boolean
  end(...args: unknown[]): ServerResponse
  addTrailers(...args: unknown[]): void
  destroy(...args: unknown[]): ServerResponse
  onClose(): void
}

/**
 * Shared functions for all responses. V8 would keep a closure assigned to a property of a response, and everything it
 * references, until the next full garbage collection: several KB per request.
 */
const METHODS: WatchedMethods & ThisType<Watched> = {
  writeHead(...args) {
    return this[WATCH].writeHead(args)
  },
  write(...args) {
    return this[WATCH].write(args)
  },
  end(...args) {
    return this[WATCH].end(args)
  },
  addTrailers(...args) {
    this[WATCH].addTrailers(args)
  },
  destroy(...args) {
    return this[WATCH].destroy(args)
  },
  onClose() {
    this[WATCH].close()
  },
}
