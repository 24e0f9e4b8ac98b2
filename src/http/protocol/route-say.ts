import type { Clock } from '../../core/clock.js'
import { isThenable } from '../../core/thenable.js'
import type { FinishedResponse } from '../port/finished-response.js'
import { listedTags } from '../port/route-tags.js'
import { settledInTime } from './settled-in-time.js'

/** The results of the route's `tags` and `cacheIf` functions for a response. */
export interface RouteAnswer {
  /** Whether the response may be stored. */
  readonly isGranted: boolean
  /** Tags from promises, in addition to those known before. */
  readonly tags: readonly string[]
}

/** Collects the results of a route's `tags` and `cacheIf` options for one response, some of which may be promises. */
export class RouteSay {
  readonly #tags: Promise<readonly string[]>[] = []
  #granted: boolean | Promise<unknown> | undefined

  /** Whether no promise is pending. */
  get isSettled(): boolean {
    return this.#tags.length === 0 && !(this.#granted instanceof Promise)
  }

  /** Whether {@link ask} has been called. */
  get isAsked(): boolean {
    return this.#granted !== undefined
  }

  /**
   * Calls the functions of the `tags` option, and returns the tags known immediately.
   *
   * @throws errors of the functions, and TypeError if one does not return a list of tags
   */
  tagsBy(functions: readonly (() => unknown)[]): readonly string[] {
    const known: string[] = []
    for (const name of functions) {
      const named = name()
      if (isThenable(named)) this.#tags.push(awaited(named, listedTags))
      else known.push(...listedTags(named))
    }
    return known
  }

  /**
   * Asks whether a response may be stored. Returns false if it may not, and true if it may or if the answer is a
   * promise.
   */
  ask(cacheIf: (response: FinishedResponse) => unknown, response: FinishedResponse): boolean {
    const granted = cacheIf(response)
    // As usual in JavaScript, any truthy value means yes.
    this.#granted = isThenable(granted) ? awaited(granted, Boolean) : Boolean(granted)
    return this.#granted !== false
  }

  /**
   * Awaits all results.
   *
   * @param limit - ms
   * @throws the error of a function, or Error if one has not settled within the limit
   */
  async settled(limit: number, clock: Clock): Promise<RouteAnswer> {
    const all = Promise.all([this.#granted ?? true, ...this.#tags] as const)
    const [granted, ...tags] = await settledInTime(all, limit, clock, '"tags" or "cacheIf"')
    return { isGranted: granted !== false, tags: tags.flat() }
  }
}

/**
 * A promise whose rejection is never unhandled, because the response may be refused for another reason before it is
 * awaited.
 */
function awaited<T>(answer: PromiseLike<unknown>, read: (value: unknown) => T): Promise<T> {
  const promise = Promise.resolve(answer).then(read)
  promise.catch(() => {})
  return promise
}
