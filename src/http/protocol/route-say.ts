import type { Clock } from '../../core/clock.js'
import { isThenable } from '../../core/thenable.js'
import { FinishedResponse } from '../port/finished-response.js'
import { listedTags } from '../port/route-tags.js'
import type { Reason } from '../rules/reasons.js'
import type { RecorderPolicy } from './recorded-request.js'
import type { Reports } from './reports.js'
import { settledInTime } from './settled-in-time.js'

/** The results of the route's `tags` and `cacheIf` functions for a response. */
export interface RouteAnswer {
  /** Whether the response may be stored. */
  readonly isGranted: boolean
  /** Tags from promises, in addition to those known before. */
  readonly tags: readonly string[]
}

/** What the `tags` and `cacheIf` options of a route say of one response; some of their results may be promises. */
export class RouteSay {
  readonly #run: { readonly policy: RecorderPolicy }
  readonly #reports: Reports
  readonly #tags: Promise<readonly string[]>[] = []
  #granted: boolean | Promise<unknown> | undefined

  /** @param run - its policy may be refined until the handler has answered */
  constructor(run: { readonly policy: RecorderPolicy }, reports: Reports) {
    this.#run = run
    this.#reports = reports
  }

  /** Whether no promise is pending. */
  get isSettled(): boolean {
    return this.#tags.length === 0 && !(this.#granted instanceof Promise)
  }

  /** Whether {@link ask} has been called. */
  get isAsked(): boolean {
    return this.#granted !== undefined
  }

  /** Whether the route has said all that decides about storing a complete response. */
  get isComplete(): boolean {
    return this.isSettled && (this.isAsked || this.#run.policy.cacheIf === undefined)
  }

  /**
   * Calls the functions of the `tags` option, and returns the tags known immediately.
   *
   * @throws errors of the functions, and TypeError if one does not return a list of tags
   */
  tags(): readonly string[] {
    const known: string[] = []
    for (const name of this.#run.policy.tags) {
      const named = name()
      if (isThenable(named)) this.#tags.push(awaited(named, listedTags))
      else known.push(...listedTags(named))
    }
    return known
  }

  /**
   * Asks `cacheIf` about a complete response. Returns the reason why it is not stored; `undefined` if it is, or if the
   * answer is pending.
   *
   * @param made - status and fields of the response as the route made them
   */
  ask({ status, fields }: Pick<FinishedResponse, 'status' | 'fields'>, body: Buffer): Reason | undefined {
    const { cacheIf } = this.#run.policy
    if (cacheIf === undefined) return undefined
    try {
      const granted = cacheIf(new FinishedResponse(status, fields, body))
      // As usual in JavaScript, any truthy value means yes.
      this.#granted = isThenable(granted) ? awaited(granted, Boolean) : Boolean(granted)
      return this.#granted === false ? 'cache-if' : undefined
    } catch (thrown) {
      this.#reports.fault(thrown)
      return 'fault'
    }
  }

  /**
   * Awaits all results.
   *
   * @throws the error of a function, or Error if one has not settled within the time limit of the policy
   */
  async settled(clock: Clock): Promise<RouteAnswer> {
    const all = Promise.all([this.#granted ?? true, ...this.#tags] as const)
    const [granted, ...tags] = await settledInTime(all, this.#run.policy.patience, clock, '"tags" or "cacheIf"')
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
