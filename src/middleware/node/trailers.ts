import type { ServerResponse } from 'node:http'
import type { Recording } from '../../http/port/index.js'

/** What sets trailers: http2 has a method for a single one, too. */
type WithTrailers = Pick<ServerResponse, 'addTrailers'> & { setTrailer?(name: string, value: string): void }

/** Tells a recording that trailers are set by one of these methods of a response. */
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
