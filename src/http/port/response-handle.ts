import type { Duration } from '../../core/duration.js'

/**
 * What a handler can say about its own response, without an import: `res.fallbackCache` in Express,
 * `ctx.fallbackCache` in Koa. It is there for every request that passes the middleware, also where nothing is
 * stored; what comes after the head has been sent is too late and ignored.
 *
 * ```ts
 * res.fallbackCache.tag('p:1', 'shop').ttl(30)
 * res.json(product)
 * ```
 */
export interface ResponseHandle {
  /** Names for `invalidateTags`, in addition to those of the options and of `Cache-Tag`. */
  tag(...tags: readonly string[]): this
  /**
   * The freshness lifetime, in seconds or as a duration such as `'5m'`. Stronger than the `ttl` option and than what the
   * response's own fields say about its lifetime; it lifts no refusal (`private`, `no-store`, credentials, …).
   */
  ttl(ttl: Duration): this
  /** Do not store this response; `why` shows up in `Cache-Status` and in the events. */
  skip(why?: string): this
}
