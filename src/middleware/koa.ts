import type { Context, Middleware } from 'koa'
import type { ResponseHandle } from '../http/port/index.js'
import type {
  Explanation,
  FallbackCacheMiddlewareOptions,
  RefiningOptions,
  RequestDescription,
} from '../http/protocol/index.js'
import { type CacheControls, controlsOf, purgedBy, ResponseCache, readPolicy, refined } from '../http/protocol/index.js'
import type { KoaApplication } from './koa/application.js'
import { type KoaDashboardOptions, koaDashboard } from './koa/dashboard.js'
import { ExplainedKoaExchange, KoaExchange } from './koa/exchange.js'
import { type FrontDoor, frontedKoa } from './koa/front-door.js'
import { type KoaPurgeOptions, koaPurge } from './koa/purge.js'
import { checkArguments, checkExplained, checkIsCalled, misplaced, supportsPrepared } from './node/index.js'

declare module 'koa' {
  interface ExtendableContext {
    /** Lets a handler control the caching of its own response; available behind `fallbackCache()`. */
    fallbackCache: ResponseHandle
  }
}

/** The options of {@link fallbackCache}; functions in them are called with `ctx`. */
export type MiddlewareOptions = FallbackCacheMiddlewareOptions<Context>

export type { FinishedResponse } from '../http/port/index.js'
export type {
  ShadowFigures,
  ShadowReport,
  ShadowRoute,
  VerifiedAnswers,
  VerifiedRoute,
  VerifyReport,
} from '../http/protocol/index.js'
export type { KoaDashboardOptions } from './koa/dashboard.js'
export type { FrontDoorOptions, ServeOptions } from './koa/front-door.js'
export type { KoaPurgeOptions } from './koa/purge.js'

/** The return type of {@link fallbackCache}: a Koa middleware with the methods of its cache. */
export interface FallbackCacheMiddleware extends Middleware, CacheControls, FrontDoor<KoaApplication> {
  /** The same cache with other options, for a single route. Options that are not given are unchanged. */
  with(options: RefiningOptions<Context>): FallbackCacheMiddleware
  /**
   * Explains what the cache would do with a request, and why, without running, counting or changing anything.
   * `String()` of the result is a short readable text. Outside a request, pass a description: `{ url:
   * 'https://shop.example/products/1', headers }`. Never rejects: for an invalid argument, the explanation is a `fault`
   * that shows the correct call. The first call loads its code; only if that is missing, the promise rejects.
   */
  explain(request: Context | RequestDescription): Promise<Explanation>
  /**
   * A page that shows what the cache does: `app.use(cached.dashboard({ path: '/__cache' }))`. It only shows, unless `readOnly` is
   * false; see docs/dashboard.md.
   *
   * @throws TypeError for an invalid option; Error in production without `authorize` or `public: true`
   */
  dashboard(options?: KoaDashboardOptions): Middleware
  /**
   * An endpoint that carries out invalidations which signed messages ask for, such as the webhooks of a CMS:
   * `app.use(cached.purgeEndpoint({ secret }))`, at `/__purge`; see docs/webhooks.md.
   *
   * @throws TypeError or RangeError for an invalid option
   */
  purgeEndpoint(options: KoaPurgeOptions): Middleware
}

/**
 * Creates a Koa middleware that answers requests from the cache and stores what inner handlers set as `ctx.body`. For
 * Koa 2 and 3.
 *
 * ```ts
 * app.use(fallbackCache({ ttl: 60 }))
 * ```
 *
 * @throws TypeError or RangeError for invalid options
 */
export function fallbackCache(options: MiddlewareOptions = {}, ...rest: readonly never[]): FallbackCacheMiddleware {
  checkArguments(options, rest)
  const policy = readPolicy(options)
  supportsPrepared()
  const responses = new ResponseCache(policy)
  const ignored = policy.inputs?.ignored
  const middleware: Middleware = (ctx, next) => {
    if (typeof next !== 'function') throw misplaced('koa', ctx)
    return responses.handle(new KoaExchange(ctx, next, middleware, ignored))
  }
  const controls = controlsOf(responses, policy)
  return Object.assign(frontedKoa(middleware, responses), controls, {
    explain: (asked: Context | RequestDescription) =>
      responses.explain((by) => {
        checkExplained(asked, 'koa')
        return new ExplainedKoaExchange(asked, ignored, by)
      }),
    dashboard: (given: KoaDashboardOptions = {}) => {
      checkIsCalled(given, 'cached.dashboard()')
      return koaDashboard({ ...controls, board: () => policy.engine.board() }, given)
    },
    purgeEndpoint: (given: KoaPurgeOptions) => {
      checkIsCalled(given, 'cached.purgeEndpoint({ secret })')
      return koaPurge(purgedBy(responses, policy), given)
    },
    with: (refinement: RefiningOptions<Context>) => {
      checkIsCalled(refinement, 'cached.with({ ttl: 60 })')
      return fallbackCache(refined(options, refinement, policy.cache))
    },
  })
}
