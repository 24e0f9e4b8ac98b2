import { type Duration, parseDuration } from '../../core/duration.js'
import { asError } from '../../core/errors.js'
import type { ResponseHandle } from './response-handle.js'
import { tagText } from './route-tags.js'

/** A longer reason is cut: clients refuse heads of some 16 KB. */
const MAX_REASON = 200

/** What a handler said about its own response, written down. No argument makes it throw: a handler must not fail for its cache. */
export class ResponseNotes implements ResponseHandle {
  /** What {@link tag} was given. */
  readonly tags: string[] = []
  /** What {@link ttl} was given, in seconds. */
  lifetime: number | undefined
  /** Why the response is not to be stored; `undefined`: it may be. */
  skipped: string | undefined
  /** An argument that could not be understood: the response is not stored. */
  fault: Error | undefined

  tag(...tags: readonly string[]): this {
    return this.#understand(tags, () => {
      for (const tag of tags.flat()) this.tags.push(tagText(tag))
    })
  }

  ttl(ttl: Duration): this {
    return this.#understand([ttl], () => {
      this.lifetime = parseDuration(ttl, 'ttl')
    })
  }

  skip(why: string = 'skip'): this {
    this.skipped = 'skip'
    return this.#understand([why], () => {
      if (isText(why)) this.skipped = String(why).slice(0, MAX_REASON)
    })
  }

  #understand(given: readonly unknown[], note: () => void): this {
    try {
      for (const one of given) if (one instanceof Promise) one.catch(() => {})
      note()
    } catch (thrown) {
      this.fault = asError(thrown)
    }
    return this
  }
}

function isText(why: unknown): boolean {
  return (typeof why === 'string' && why !== '') || why instanceof Error
}
