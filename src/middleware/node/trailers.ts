import type { ServerResponse } from 'node:http'
import type { Recording } from '../../http/port/index.js'

/** Methods after which the rest of a response is not what is recorded, with the reason. http2 has `setTrailer`. */
const REASONS = { addTrailers: 'trailers', setTrailer: 'trailers', detachSocket: 'aborted' } as const

type Name = keyof typeof REASONS
type Method = (...args: unknown[]) => void

/** The property under which a response stores who is told of these calls. */
const ENDINGS = Symbol('fallback-cache.endings')

type Watched = Partial<Record<Name, unknown>> & { [ENDINGS]?: Ending }

interface Ending {
  readonly recording: Pick<Recording, 'abort'>
  readonly before: Readonly<Partial<Record<Name, Method>>>
}

/**
 * Aborts a recording when a method sets trailers, or takes the response from its connection: a handler that answers over
 * the connection itself never ends the response. Node.js also calls `detachSocket`, once the response has ended.
 */
export function watchEndings(
  response: Pick<ServerResponse, 'addTrailers'>,
  names: readonly Name[],
  recording: Pick<Recording, 'abort'>,
): void {
  const watched = response as Watched
  const before: Partial<Record<Name, Method>> = {}
  for (const name of names) if (watched[name] !== undefined) before[name] = watched[name] as Method
  const ending: Ending = { recording, before }
  // Another watch nearer to the client exists; the replaced methods call its methods.
  const isFirst = watched[ENDINGS] === undefined
  if (isFirst) watched[ENDINGS] = ending
  for (const name of names) {
    if (before[name] !== undefined) watched[name] = isFirst ? SHARED[name] : methodOf(name, ending, response)
  }
}

/** Shared functions for all responses, as for the other methods of a response: see `watchResponse`. */
const SHARED: Readonly<Record<Name, Method>> & ThisType<Watched> = {
  addTrailers(...args) {
    tell(this[ENDINGS], 'addTrailers', this, args)
  },
  setTrailer(...args) {
    tell(this[ENDINGS], 'setTrailer', this, args)
  },
  detachSocket(...args) {
    tell(this[ENDINGS], 'detachSocket', this, args)
  },
}

function methodOf(name: Name, ending: Ending, response: object): Method {
  return (...args) => tell(ending, name, response, args)
}

function tell(ending: Ending | undefined, name: Name, response: object, args: readonly unknown[]): void {
  ending?.recording.abort(REASONS[name])
  ending?.before[name]?.apply(response, [...args])
}
