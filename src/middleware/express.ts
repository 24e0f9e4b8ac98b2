import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request } from 'express'
import type { ResponseHandle } from '../http/port/index.js'
import type {
  Explanation,
  FallbackCacheMiddlewareOptions,
  RefiningOptions,
  RequestDescription,
} from '../http/protocol/index.js'
import { type CacheControls, controlsOf, purgedBy, ResponseCache, readPolicy, refined } from '../http/protocol/index.js'
import type { ExpressApplication } from './express/application.js'
import { type DashboardOptions, type ExpressDashboard, expressDashboard } from './express/dashboard.js'
import { ExplainedExpressExchange, ExpressExchange } from './express/exchange.js'
import { type FrontDoor, frontedExpress } from './express/front-door.js'
import { type ExpressPurge, expressPurge, type PurgeOptions } from './express/purge.js'
import {
  checkArguments,
  checkExplained,
  checkIsCalled,
  misplaced,
  supportsPrepared,
  throwOutside,
} from './node/index.js'

declare global {
  namespace Express {
    interface Response {
      /** Lets a handler control the caching of its own response; available behind the middleware. */
      fallbackCache: ResponseHandle
    }
  }
}

/** The options of {@link fallbackCache}; functions in them are called with `req`. */
export type MiddlewareOptions = FallbackCacheMiddlewareOptions<Request>

export type { FinishedResponse } from '../http/port/index.js'
export type {
  ShadowFigures,
  ShadowReport,
  ShadowRoute,
  VerifiedAnswers,
  VerifiedRoute,
  VerifyReport,
} from '../http/protocol/index.js'
export type { DashboardOptions } from './express/dashboard.js'
export type { FrontDoorOptions, ServeOptions } from './express/front-door.js'
export type { PurgeOptions } from './express/purge.js'

/** A middleware for Express 4 and 5, and for other frameworks that call `(req, res, next)`. */
export interface FallbackCacheMiddleware extends CacheControls, FrontDoor<ExpressApplication> {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void
  /** The same cache with other options, for a single route. Options that are not given are unchanged. */
  with(options: RefiningOptions<Request>): FallbackCacheMiddleware
  /**
   * Explains what the cache would do with a request, and why, without running, counting or changing anything.
   * `String()` of the result is a short readable text. Outside a request, pass a description: `{ url:
   * 'https://shop.example/products/1', headers }`. Never rejects: for an invalid argument, the explanation is a `fault`
   * that shows the correct call. The first call loads its code; only if that is missing, the promise rejects.
   */
  explain(request: IncomingMessage | RequestDescription): Promise<Explanation>
  /**
   * A page that shows what the cache does: `app.use('/__cache', cached.dashboard())`. It only shows, unless `readOnly` is
   * false; see docs/dashboard.md.
   *
   * @throws TypeError for an invalid option; Error in production without `authorize` or `public: true`
   */
  dashboard(options?: DashboardOptions<Request>): ExpressDashboard
  /**
   * An endpoint that carries out invalidations which signed messages ask for, such as the webhooks of a CMS:
   * `app.post('/__purge', cached.purgeEndpoint({ secret }))`; see docs/webhooks.md.
   *
   * @throws TypeError or RangeError for an invalid option
   */
  purgeEndpoint(options: PurgeOptions): ExpressPurge
}

/**
 * Creates a middleware that answers requests from the cache and stores the responses of handlers (RFC 9111).
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
  const middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void => {
    if (typeof next !== 'function') throw misplaced('express', request)
    // Other frameworks pass a plain Node.js request; the user's functions are written for it.
    const handled = responses.handle(new ExpressExchange(request as Request, response, next, ignored))
    if (handled !== undefined) void handled.catch(throwOutside)
  }
  const controls = controlsOf(responses, policy)
  return Object.assign(frontedExpress(middleware, responses), controls, {
    explain: (request: IncomingMessage | RequestDescription) =>
      responses.explain((by) => {
        checkExplained(request, 'express')
        return new ExplainedExpressExchange(request, ignored, by)
      }),
    dashboard: (given: DashboardOptions<Request> = {}) => {
      checkIsCalled(given, 'cached.dashboard()')
      return expressDashboard({ ...controls, board: () => policy.engine.board() }, given)
    },
    purgeEndpoint: (given: PurgeOptions) => {
      checkIsCalled(given, 'cached.purgeEndpoint({ secret })')
      return expressPurge(purgedBy(responses, policy), given)
    },
    with: (refinement: RefiningOptions<Request>) => {
      checkIsCalled(refinement, 'cached.with({ ttl: 60 })')
      return fallbackCache(refined(options, refinement, policy.cache))
    },
  })
}
