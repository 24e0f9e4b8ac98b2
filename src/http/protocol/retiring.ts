import type { CacheEngine } from '../../core/engine.js'
import { answersOf, isThenable } from '../../core/thenable.js'
import type { Exchange } from '../port/exchange.js'
import type { Target } from '../rules/invalidation.js'
import type { Invalidations } from '../store/invalidations.js'
import { retire, type UriKeys } from '../store/uri-keys.js'
import { optionAnswers, wholeExtra } from './build-lookup.js'
import { settledAnswers } from './option-functions.js'
import type { Policy } from './policy.js'

/** A middleware whose stored responses an unsafe request invalidates. */
export interface Retiring {
  readonly invalidations: Invalidations
  /**
   * The text that option functions and a rewritten URL add to the key of this request; `''` if there is none. Returns a
   * promise if an option function is asynchronous. Throws or rejects with its errors.
   */
  readonly extra: () => string | Promise<string>
  /** The key of a request that was already looked up. */
  readonly key: string | undefined
}

/**
 * The invalidations that an unsafe request triggers in one middleware: responses for its URI, including those stored
 * for the same user.
 */
export function retiringFor<Context extends object>(
  { request, context }: Pick<Exchange<Context>, 'request' | 'context'>,
  policy: Policy<Context>,
  invalidations: Invalidations,
): Retiring {
  const { key, user, engine } = policy
  // Read before the handler answers: afterwards what has begun is its own answer.
  const { rewritten, otherOrigin, begun } = request
  const whole = (extra: string) => wholeExtra({ rewritten, otherOrigin, begun }, extra)
  const extra = (): string | Promise<string> => {
    if (key === undefined && user === undefined) return whole('')
    const answers = answersOf([key, user], context)
    const named = ([by, who]: readonly unknown[]) => whole(optionAnswers(policy, by, who).extra)
    return answers.some(isThenable) ? settledAnswers(answers, policy, engine.clock).then(named) : named(answers)
  }
  return { invalidations, extra, key: undefined }
}

/**
 * Invalidates the responses for some URIs, in all middlewares that store responses for the request (RFC 9111, section
 * 4.4). Responses whose keys are known at once are invalidated in this process when this function returns.
 *
 * @param targets - the first one is the URI of the request
 * @returns promises for the rest: other processes, if there is a Redis, and keys that are determined asynchronously
 */
export function retireTargets(of: readonly Retiring[], targets: readonly Target[]): readonly Promise<unknown>[] {
  const keys = new Map<CacheEngine, string[]>()
  const later: Promise<unknown>[] = []
  for (const { invalidations, extra, key } of of) {
    for (const uriKeys of invalidations.allUriKeys) {
      for (const target of targets) {
        uriKeys.addTo(keysIn(uriKeys, keys), target)
        if (uriKeys.hasRules) later.push(uriKeys.ofStoredRule(target).then((more) => retire(uriKeys.cache, more)))
      }
    }
    const { uriKeys } = invalidations
    if (key !== undefined) uriKeys.addVariantsTo(keysIn(uriKeys, keys), key)
    const [own] = targets
    const named = safely(extra)
    if (own === undefined || named === '') continue
    if (typeof named === 'string') keysIn(uriKeys, keys).push(...uriKeys.ofNamed(own, named))
    else later.push(named.then((text) => retire(uriKeys.cache, uriKeys.ofNamed(own, text))))
  }
  for (const [cache, all] of keys) {
    const done = retire(cache, all)
    if (done !== undefined) later.push(done)
  }
  return later
}

function keysIn({ cache }: UriKeys, keys: Map<CacheEngine, string[]>): string[] {
  const known = keys.get(cache)
  if (known !== undefined) return known
  const added: string[] = []
  keys.set(cache, added)
  return added
}

/** An option function that throws adds nothing: the URI itself is still invalidated. */
function safely(extra: () => string | Promise<string>): string | Promise<string> {
  try {
    return extra()
  } catch {
    return ''
  }
}
