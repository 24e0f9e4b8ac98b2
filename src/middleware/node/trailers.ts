import type { ServerResponse } from 'node:http'
import type { Recording } from '../../http/port/index.js'

/** The methods of a response that set trailers; http2 also has one for a single trailer. */
type WithTrailers = Pick<ServerResponse, 'addTrailers'> & { setTrailer?(name: string, value: string): void }

/** Aborts a recording when one of these methods sets trailers. */
export function watchTrailers(
  response: WithTrailers,
  methods: readonly ('addTrailers' | 'setTrailer')[],
  recording: Pick<Recording, 'abort'>,
): void {
  for (const method of methods) {
    const before = response[method] as ((...args: unknown[]) => void) | undefined
    if (before === undefined) continue
    response[method] = (...args: unknown[]) => {
      recording.abort('trailers')
      before.apply(response, args)
    }
  }
}
