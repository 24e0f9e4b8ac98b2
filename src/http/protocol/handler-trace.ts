import { HANDLERS, type HandlerMessage } from '../../core/channels.js'
import type { Tally } from './tally.js'

/** A handler run, as the tracing channel `fallback-cache:handler` tells of it. */
export class HandlerTrace {
  readonly #message: HandlerMessage
  #isOver = false

  constructor(message: HandlerMessage) {
    this.#message = message
  }

  /** Starts the run: with the stores that subscribers have bound to the channel, as its async context. */
  start<Result>(run: () => Result): Result {
    const message = this.#message
    return HANDLERS.start.runStores(message, () => {
      try {
        return run()
      } catch (error) {
        Object.assign(message, { error })
        HANDLERS.error.publish(message)
        throw error
      } finally {
        HANDLERS.end.publish(message)
      }
    })
  }

  /** Ends the run: its response is complete, or will not come. Only the first call counts. */
  end({ route, took }: Pick<Tally, 'route' | 'took'>, isStored: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    const message = Object.assign(this.#message, { route, seconds: took / 1000, result: isStored })
    HANDLERS.asyncStart.publish(message)
    HANDLERS.asyncEnd.publish(message)
  }
}
