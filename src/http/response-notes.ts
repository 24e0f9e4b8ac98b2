import { type Duration, parseDuration } from '../core/duration.js'
import type { ResponseHandle } from './response-handle.js'

/** What a handler said about its own response, written down. */
export class ResponseNotes implements ResponseHandle {
  /** What {@link tag} was given. */
  readonly tags: string[] = []
  /** What {@link ttl} was given, in seconds. */
  lifetime: number | undefined
  /** Why the response is not to be stored; `undefined`: nobody said so. */
  skipped: string | undefined
  /** What could not be understood; such a response is not stored. */
  fault: unknown

  tag(...tags: readonly string[]): this {
    for (const tag of tags.flat()) this.tags.push(String(tag))
    return this
  }

  ttl(ttl: Duration): this {
    // A handler must not fail for its cache: what cannot be read costs the storing, not the response.
    try {
      this.lifetime = parseDuration(ttl, 'ttl')
    } catch (thrown) {
      this.fault = thrown
    }
    return this
  }

  skip(why = 'skip'): this {
    this.skipped = String(why)
    return this
  }
}
