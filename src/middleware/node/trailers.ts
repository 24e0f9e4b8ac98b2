import type { ServerResponse } from 'node:http'
import type { Recording } from '../../http/port/index.js'

/** The methods of a response that set trailers; http2 also has one for a single trailer. */
type WithTrailers = Pick<ServerResponse, 'addTrailers'> & { setTrailer?(name: string, value: string): void }

type Method = (...args: unknown[]) => void

/** The property under which a response stores who is told of its trailers. */
const TRAILERS = Symbol('fallback-cache.trailers')

type Watched = WithTrailers & { [TRAILERS]?: TrailerWatch }

interface TrailerWatch {
  readonly recording: Pick<Recording, 'abort'>
  readonly addTrailers: Method | undefined
  readonly setTrailer: Method | undefined
}

/** Aborts a recording when one of these methods sets trailers. */
export function watchTrailers(
  response: WithTrailers,
  methods: readonly ('addTrailers' | 'setTrailer')[],
  recording: Pick<Recording, 'abort'>,
): void {
  const watched: Watched = response
  const { addTrailers, setTrailer } = watched
  // Another watch nearer to the client exists; the replaced methods call its methods.
  const isFirst = watched[TRAILERS] === undefined
  const watch = {
    recording,
    addTrailers: addTrailers as Method | undefined,
    setTrailer: setTrailer as Method | undefined,
  }
  if (isFirst) watched[TRAILERS] = watch
  for (const method of methods) {
    if (watched[method] !== undefined) watched[method] = isFirst ? SHARED[method] : methodOf(method, watch, watched)
  }
}

/** Shared functions for all responses, as for the other methods of a response: see `watchResponse`. */
const SHARED: Readonly<Record<'addTrailers' | 'setTrailer', Method>> & ThisType<Watched> = {
  addTrailers(...args) {
    this[TRAILERS]?.recording.abort('trailers')
    this[TRAILERS]?.addTrailers?.apply(this, args)
  },
  setTrailer(...args) {
    this[TRAILERS]?.recording.abort('trailers')
    this[TRAILERS]?.setTrailer?.apply(this, args)
  },
}

function methodOf(method: 'addTrailers' | 'setTrailer', watch: TrailerWatch, response: WithTrailers): Method {
  return (...args) => {
    watch.recording.abort('trailers')
    watch[method]?.apply(response, args)
  }
}
