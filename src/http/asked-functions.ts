import type { Clock } from '../core/clock.js'
import { asksForRefresh, type Naming, namingOf, UNNAMED } from './entering.js'
import type { Exchange } from './exchange.js'
import type { Policy } from './policy.js'
import { settledInTime } from './settled-in-time.js'

/**
 * The answer of the `skip`, `key`, `user` and `allowRefresh` options about a request: `'skip'`, or what follows for its lookup. A
 * promise where one of them is asynchronous.
 *
 * @throws what they throw, and an Error when one has not settled within `collapseTimeout`
 */
export function askFunctions<Context extends object>(
  policy: Policy<Context>,
  { context, request }: Exchange<Context>,
  clock: Clock,
): Naming | 'skip' | Promise<Naming | 'skip'> {
  const { skip, key, user, allowRefresh, collapseTimeout } = policy
  const asksRefresh = asksForRefresh(policy, request)
  if (skip === undefined && key === undefined && user === undefined && !asksRefresh) return UNNAMED
  const skipped: unknown = skip?.(context)
  // As everywhere in JavaScript, a truthy value means yes.
  if (skipped && !isThenable(skipped)) return 'skip'
  const answers = [skipped, key?.(context), user?.(context), asksRefresh && allowRefresh?.(context)]
  const read = ([skips, named, who, allowsRefresh]: readonly unknown[]) =>
    skips ? 'skip' : namingOf(policy, named, who, allowsRefresh)
  if (!answers.some(isThenable)) return read(answers)
  return settledInTime(Promise.all(answers), collapseTimeout, clock).then(read)
}

/** Whether a value is to be awaited. */
export function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
