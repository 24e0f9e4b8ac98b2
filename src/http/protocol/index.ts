/** The parts of the protocol that middleware uses: options, the response cache, scopes and explanations. */

export type { ShadowFigures, ShadowReport, ShadowRoute } from '../shadow/shadow-report.js'
export type { VerifiedAnswers, VerifiedRoute, VerifyReport } from '../shadow/verify-report.js'
export { type CacheControls, controlsOf, purgedBy } from './controls.js'
export type { DescribedRequest, Describing } from './described-request.js'
export type { Explanation, RequestDescription } from './explanation.js'
export type { FallbackCacheMiddlewareOptions, RefiningOptions } from './options.js'
export { readPolicy, refined } from './policy.js'
export { FORWARDED_FIELDS } from './refresh-request.js'
export { ResponseCache } from './response-cache.js'
export { handOn, scopeOf } from './scope.js'
