import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Asks again and again until the answer is neither `false` nor `undefined`, and gives that answer. An exception counts
 * as "not yet". For what happens in another process, where no clock of ours decides.
 *
 * @throws Error naming `what` after `timeout` milliseconds.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { timeout = 10_000, every = 20 }: { readonly timeout?: number; readonly every?: number } = {},
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + timeout
  let last: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>
      last = answer
    } catch (error) {
      last = error
    }
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${what} (last: ${String(last)})`)
    await sleep(every)
  }
}
