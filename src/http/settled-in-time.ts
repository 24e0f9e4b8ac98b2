import type { Clock } from '../core/clock.js'

/**
 * What a promise of the application's gives.
 *
 * @param limit - ms
 * @throws Error when it has not settled by then
 */
export function settledInTime<T>(promise: Promise<T>, limit: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(() => {
      reject(new Error(`"skip", "key", "user" or "allowRefresh" has not settled within collapseTimeout (${limit} ms)`))
    }, limit)
    promise.finally(() => clock.clearTimer(timer)).then(resolve, reject)
  })
}
