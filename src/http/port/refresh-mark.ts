/** Two copies of this package in one process know each other's requests. */
const REFRESH = Symbol.for('fallback-cache.refresh')

/** Marks the request of a background refresh. */
export function markRefresh(raw: object): void {
  Object.defineProperty(raw, REFRESH, { value: true })
}

/**
 * Whether a request is no client's: the cache sends it to make a stale response again in the background. For rate limits,
 * logs and counters in front of the cache. No client can make its request look like one.
 *
 * ```ts
 * rateLimit({ skip: isBackgroundRefresh })
 * ```
 *
 * @param request - node's request, or an object that has it as `req` (Koa's `ctx`), `raw` (Fastify) or `incoming`
 */
export function isBackgroundRefresh(request: object): boolean {
  if (REFRESH in request) return true
  return HOLDERS.some((name) => {
    const held: unknown = Reflect.get(request, name)
    return typeof held === 'object' && held !== null && REFRESH in held
  })
}

const HOLDERS = ['req', 'raw', 'incoming'] as const
