/** What a framework's middleware uses of the protocol: its options, the cache that carries requests out, explanations. */
export { type CacheControls, controlsOf } from './controls.js'
export type { Explanation, RequestDescription } from './explanation.js'
export type { FallbackCacheMiddlewareOptions, RefiningOptions } from './options.js'
export { readPolicy, refined } from './policy.js'
export { ResponseCache } from './response-cache.js'
export { handOn, scopeOf } from './scope.js'
