/** Shared by all copies of this package in a process, so that they recognize each other's requests. */
const REFRESH = Symbol.for('fallback-cache.refresh')

/** Marks the request of a background revalidation. */
export function markRefresh(raw: object): void {
  Object.defineProperty(raw, REFRESH, { value: true })
}

/**
 * Whether a request was sent by the cache itself, to revalidate a stale response in the background. For rate limits,
 * logs and counters in front of the cache. A client cannot forge this.
 *
 * ```ts
 * rateLimit({ skip: isBackgroundRefresh })
 * ```
 *
 * @param request - Node.js's request, or an object that has it as `req` (Koa's `ctx`), `raw` (Fastify) or `incoming`
 */
export function isBackgroundRefresh(request: object): boolean {
  if (REFRESH in request) return true
  return HOLDERS.some((name) => {
    const held: unknown = Reflect.get(request, name)
    return typeof held === 'object' && held !== null && REFRESH in held
  })
}

const HOLDERS = ['req', 'raw', 'incoming'] as const
