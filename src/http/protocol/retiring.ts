import type { CacheEngine } from '../../core/engine.js'
import { answersOf, isThenable } from '../../core/thenable.js'
import type { Exchange } from '../port/exchange.js'
import type { Target } from '../rules/invalidation.js'
import type { Invalidations } from '../store/invalidations.js'
import { retire, type UriKeys } from '../store/uri-keys.js'
import { optionAnswers, wholeExtra } from './build-lookup.js'
import { settledAnswers } from './option-functions.js'
import type { Policy } from './policy.js'

/** A middleware whose stored responses a request with an unsafe method takes out of use. */
export interface Retiring {
  readonly invalidations: Invalidations
  /**
   * What the options add to the key of this very request, and what it was rewritten to; `''`: nothing. A promise where a
   * function of the user's is asynchronous. Throws or rejects with what they do.
   */
  readonly extra: () => string | Promise<string>
  /** The key of a request that was looked up already. */
  readonly key: string | undefined
}

/** What an unsafe request takes out of use in a middleware, beside what lies under the key of its URI: what is for the same user. */
export function retiringFor<Context extends object>(
  { request, context }: Pick<Exchange<Context>, 'request' | 'context'>,
  policy: Policy<Context>,
  invalidations: Invalidations,
): Retiring {
  const { key, user, engine } = policy
  const extra = (): string | Promise<string> => {
    if (key === undefined && user === undefined) return wholeExtra(request, '')
    const answers = answersOf([key, user], context)
    const whole = ([named, who]: readonly unknown[]) => wholeExtra(request, optionAnswers(policy, named, who).extra)
    return answers.some(isThenable) ? settledAnswers(answers, policy, engine.clock).then(whole) : whole(answers)
  }
  return { invalidations, extra, key: undefined }
}

/**
 * Takes the responses for some URIs out of use, in all middlewares that store for the request (RFC 9111, section 4.4). In this
 * process it is done when this returns.
 *
 * @param targets - the first one is the URI of the request itself
 * @returns what other processes have to be told; resolves when it is done. Nothing without a Redis
 */
export function retireTargets(of: readonly Retiring[], targets: readonly Target[]): readonly Promise<unknown>[] {
  const keys = new Map<CacheEngine, Set<string>>()
  const later: Promise<unknown>[] = []
  const add = ({ cache }: UriKeys, more: readonly string[]): void => {
    const known = keys.get(cache) ?? new Set()
    keys.set(cache, known)
    for (const key of more) known.add(key)
  }
  for (const { invalidations, extra, key } of of) {
    for (const uriKeys of invalidations.allUriKeys) {
      for (const target of targets) {
        add(uriKeys, uriKeys.of(target))
        if (uriKeys.hasRules) {
          later.push(uriKeys.ofStoredRule(target).then((more) => retire(uriKeys.cache, new Set(more))))
        }
      }
    }
    if (key !== undefined) add(invalidations.uriKeys, invalidations.uriKeys.withVariants({ text: key }))
    const [own] = targets
    const named = safely(extra)
    if (own === undefined || named === '') continue
    const { uriKeys } = invalidations
    if (typeof named === 'string') add(uriKeys, uriKeys.ofNamed(own, named))
    else later.push(named.then((text) => retire(uriKeys.cache, new Set(uriKeys.ofNamed(own, text)))))
  }
  for (const [cache, all] of keys) {
    const done = retire(cache, all)
    if (cache.isShared) later.push(done)
  }
  return later
}

/** A function of the user's that fails adds nothing: the URI is taken out of use all the same. */
function safely(extra: () => string | Promise<string>): string | Promise<string> {
  try {
    return extra()
  } catch {
    return ''
  }
}
