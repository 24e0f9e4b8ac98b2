import type { RequestHead } from '../port/request-head.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import { requestControl } from '../rules/reusable.js'
import type { Policy } from './policy.js'

/**
 * Whether option functions run for every request, values set by middleware select responses, or the cache is in shadow
 * mode, so that no decision can be made before the framework has the request.
 */
export function asksAboutRequests<Context extends object>({ skip, key, user, vary, shadow }: Policy<Context>): boolean {
  return (
    shadow !== undefined || skip !== undefined || key !== undefined || user !== undefined || vary.some(isFilledInput)
  )
}

/** Whether the decision about a request can be made before the framework has it: no option function runs for it. */
export function mayDecideAhead<Context extends object>(request: RequestHead, policy: Policy<Context>): boolean {
  if (asksAboutRequests(policy)) return false
  return policy.allowRefresh === undefined || request.isPlain === true || !requestControl(request.headers)
}
