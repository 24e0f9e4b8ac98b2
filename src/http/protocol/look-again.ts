import { mayReuse } from '../rules/reusable.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { DecidedBy } from './decision.js'
import type { Lookup } from './lookup.js'

/** Looks up a fresh response that another process may have stored since the last lookup. */
export async function lookAgain<Context extends object>(
  lookup: Lookup<Context>,
  { cache, find }: DecidedBy<Context>,
): Promise<StoredResponse | undefined> {
  const { stored, found } = await find(lookup)
  const now = cache.clock.now()
  if (stored === undefined || found?.softened === true || !lookup.mayUse(stored, now)) return undefined
  return mayReuse(stored, lookup.directives, now) === 'fresh' ? stored : undefined
}

/** Like {@link lookAgain}, but for a response that is fresher than a known one. */
export async function lookForNewer<Context extends object>(
  lookup: Lookup<Context>,
  than: StoredResponse,
  by: DecidedBy<Context>,
): Promise<StoredResponse | undefined> {
  const stored = await lookAgain(lookup, by)
  return stored !== undefined && stored.staleAt > than.staleAt ? stored : undefined
}
