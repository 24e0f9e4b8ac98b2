import type { Recording } from '../../http/port/index.js'
import { methodsWith } from './shared-methods.js'

/** Methods after which a recording would differ from the response, with the reason for not storing it. http2 has `setTrailer`. */
const REASONS = { addTrailers: 'trailers', setTrailer: 'trailers', detachSocket: 'aborted' } as const

type Name = keyof typeof REASONS
type Method = (...args: unknown[]) => void

/** The property under which a response stores the function to call for these methods. */
const ENDINGS = Symbol('fallback-cache.endings')

type Watched = Partial<Record<Name, Method>> & { [ENDINGS]?: Ending }

interface Ending {
  readonly response: object
  readonly recording: Pick<Recording, 'abort'>
  readonly before: Readonly<Record<Name, Method | undefined>>
}

/**
 * Aborts a recording when a method sets trailers, or takes the response from its connection: a handler that answers over
 * the connection itself never ends the response. Node.js also calls `detachSocket`, once the response has ended.
 */
export function watchEndings(response: object, names: readonly Name[], recording: Pick<Recording, 'abort'>): void {
  const watched: Watched = response
  // A statement for each name, because V8 does not optimize accesses with a varying name.
  const addTrailers = names.includes('addTrailers') ? watched.addTrailers : undefined
  const setTrailer = names.includes('setTrailer') ? watched.setTrailer : undefined
  const detachSocket = names.includes('detachSocket') ? watched.detachSocket : undefined
  const ending: Ending = { response, recording, before: { addTrailers, setTrailer, detachSocket } }
  // Another watch nearer to the client exists; the replaced methods call its methods.
  const own = watched[ENDINGS] === undefined ? SHARED : methodsWith(SHARED, ENDINGS, ending)
  watched[ENDINGS] ??= ending
  if (addTrailers !== undefined) watched.addTrailers = own.addTrailers
  if (setTrailer !== undefined) watched.setTrailer = own.setTrailer
  if (detachSocket !== undefined) watched.detachSocket = own.detachSocket
}

/** Shared functions for all responses, as for the other methods of a response: see `watchResponse`. */
const SHARED: Readonly<Record<Name, Method>> & ThisType<Watched> = {
  addTrailers(...args) {
    tell(this[ENDINGS], 'addTrailers', args)
  },
  setTrailer(...args) {
    tell(this[ENDINGS], 'setTrailer', args)
  },
  detachSocket(...args) {
    tell(this[ENDINGS], 'detachSocket', args)
  },
}

function tell(ending: Ending | undefined, name: Name, args: readonly unknown[]): void {
  ending?.recording.abort(REASONS[name])
  ending?.before[name]?.apply(ending.response, [...args])
}
