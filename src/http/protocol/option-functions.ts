import type { Clock } from '../../core/clock.js'
import { answersOf, isThenable } from '../../core/thenable.js'
import type { Exchange } from '../port/exchange.js'
import { asksForRefresh, NO_ANSWERS, type OptionAnswers, optionAnswers } from './build-lookup.js'
import type { Policy } from './policy.js'
import { settledInTime } from './settled-in-time.js'

/**
 * Calls the `skip`, `key`, `user` and `allowRefresh` options for a request. Returns `'skip'`, or the values for its
 * lookup; a promise if one of the functions is asynchronous.
 *
 * @throws errors of the functions, and an Error if one has not settled within `collapseTimeout`
 */
export function askFunctions<Context extends object>(
  policy: Policy<Context>,
  { context, request }: Exchange<Context>,
  clock: Clock,
): OptionAnswers | 'skip' | Promise<OptionAnswers | 'skip'> {
  const { skip, key, user, allowRefresh } = policy
  const asksRefresh = asksForRefresh(policy, request)
  if (skip === undefined && key === undefined && user === undefined && !asksRefresh) return NO_ANSWERS
  const skipped: unknown = skip?.(context)
  // As usual in JavaScript, any truthy value means yes.
  if (skipped && !isThenable(skipped)) return 'skip'
  const answers = answersOf([() => skipped, key, user, asksRefresh ? allowRefresh : undefined], context)
  const read = ([skips, named, who, allowsRefresh]: readonly unknown[]) =>
    skips ? 'skip' : optionAnswers(policy, named, who, allowsRefresh)
  if (!answers.some(isThenable)) return read(answers)
  return settledAnswers(answers, policy, clock).then(read)
}

/**
 * Awaits the return values of these options, some of which are promises.
 *
 * @throws errors of the functions, and an Error if one has not settled within `collapseTimeout`
 */
export function settledAnswers(
  answers: readonly unknown[],
  { collapseTimeout }: { readonly collapseTimeout: number },
  clock: Clock,
): Promise<readonly unknown[]> {
  return settledInTime(Promise.all(answers), collapseTimeout, clock, '"skip", "key", "user" or "allowRefresh"')
}
