import type { Clock } from '../../core/clock.js'
import { isThenable } from '../../core/thenable.js'
import type { FinishedResponse } from '../port/finished-response.js'
import { listedTags } from '../port/route-tags.js'
import { settledInTime } from './settled-in-time.js'

/** What the functions of a route answered about a response. */
export interface RouteAnswer {
  /** Whether it may be stored. */
  readonly isGranted: boolean
  /** Tags that were not known before. */
  readonly tags: readonly string[]
}

/** What the options `tags` and `cacheIf` of a route say about one response, at once or later. */
export class RouteSay {
  readonly #tags: Promise<readonly string[]>[] = []
  #granted: boolean | Promise<unknown> | undefined

  /** Whether nothing is still to be answered. */
  get isSettled(): boolean {
    return this.#tags.length === 0 && !(this.#granted instanceof Promise)
  }

  /** Whether {@link ask} has been called. */
  get isAsked(): boolean {
    return this.#granted !== undefined
  }

  /** The tags that are known at once. @throws whatever one of the functions throws, and TypeError for no list of tags */
  tagsBy(functions: readonly (() => unknown)[]): readonly string[] {
    const known: string[] = []
    for (const name of functions) {
      const named = name()
      if (isThenable(named)) this.#tags.push(awaited(named, listedTags))
      else known.push(...listedTags(named))
    }
    return known
  }

  /** Asks whether a response may be stored. False: it may not; true: it may, or that is known later. */
  ask(cacheIf: (response: FinishedResponse) => unknown, response: FinishedResponse): boolean {
    const granted = cacheIf(response)
    // As everywhere in JavaScript, a truthy value means yes.
    this.#granted = isThenable(granted) ? awaited(granted, Boolean) : Boolean(granted)
    return this.#granted !== false
  }

  /**
   * All answers.
   *
   * @param limit - ms
   * @throws what one of the functions threw, or Error when one has not settled by then
   */
  async settled(limit: number, clock: Clock): Promise<RouteAnswer> {
    const all = Promise.all([this.#granted ?? true, ...this.#tags] as const)
    const [granted, ...tags] = await settledInTime(all, limit, clock, '"tags" or "cacheIf"')
    return { isGranted: granted !== false, tags: tags.flat() }
  }
}

/** A promise whose rejection never goes unhandled: the response may be refused for another reason before it is awaited. */
function awaited<T>(answer: PromiseLike<unknown>, read: (value: unknown) => T): Promise<T> {
  const promise = Promise.resolve(answer).then(read)
  promise.catch(() => {})
  return promise
}
