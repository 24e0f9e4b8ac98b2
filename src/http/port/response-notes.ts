import { type Duration, parseDuration } from '../../core/duration.js'
import { asError } from '../../core/errors.js'
import { isThenable } from '../../core/thenable.js'
import type { ResponseHandle } from './response-handle.js'
import { tagText } from './route-tags.js'

/** Maximum length of a reason: clients reject heads of about 16 KB. */
const MAX_REASON = 200

/**
 * Records what a handler specifies about its own response. Never throws for any argument, so that a handler does not
 * fail because of its cache.
 */
export class ResponseNotes implements ResponseHandle {
  /** The arguments of {@link tag}. */
  readonly tags: string[] = []
  /** The argument of {@link ttl}, in seconds. */
  lifetime: number | undefined
  /** The reason why the response must not be stored; `undefined` if it may. */
  skipped: string | undefined
  /** The error for an invalid argument, because of which the response is not stored. */
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
      for (const one of given) if (isThenable(one)) Promise.resolve(one).catch(() => {})
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
