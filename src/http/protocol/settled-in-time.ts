import type { Clock } from '../../core/clock.js'

/**
 * Awaits a promise of the application within a time limit.
 *
 * @param limit - ms
 * @param subject - the options that returned the promise, for the error message
 * @throws Error if the promise has not settled in time
 */
export function settledInTime<T>(promise: Promise<T>, limit: number, clock: Clock, subject: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(() => {
      reject(new Error(`${subject} has not settled within collapseTimeout (${limit} ms)`))
    }, limit)
    promise.finally(() => clock.clearTimer(timer)).then(resolve, reject)
  })
}
