import type { Duration } from '../../core/duration.js'

/**
 * Lets a handler control the caching of its own response, without an import: `res.fallbackCache` in Express,
 * `ctx.fallbackCache` in Koa. Available for every request that passes the middleware, even if nothing is stored; calls
 * after the head was sent are ignored.
 *
 * ```ts
 * res.fallbackCache.tag('p:1', 'shop').ttl(30)
 * res.json(product)
 * ```
 */
export interface ResponseHandle {
  /** Adds tags for `invalidateTags`, in addition to those of the options and of `Cache-Tag`. */
  tag(...tags: readonly string[]): this
  /**
   * Sets the freshness lifetime, in seconds or as a duration such as `'5m'`. Takes precedence over the `ttl` option and
   * the response's own fields, but does not permit storing a response that is refused (`private`, `no-store`,
   * credentials, …).
   */
  ttl(ttl: Duration): this
  /** Prevents storing this response; `why` is shown in `Cache-Status` and in the events. */
  skip(why?: string): this
}
