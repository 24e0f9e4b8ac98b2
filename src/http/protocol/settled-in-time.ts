import type { Clock } from '../../core/clock.js'

/**
 * The value of a promise of the application.
 *
 * @param limit - ms
 * @param subject - the options that made it, for the error
 * @throws Error when it has not settled by then
 */
export function settledInTime<T>(promise: Promise<T>, limit: number, clock: Clock, subject: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(() => {
      reject(new Error(`${subject} has not settled within collapseTimeout (${limit} ms)`))
    }, limit)
    promise.finally(() => clock.clearTimer(timer)).then(resolve, reject)
  })
}
