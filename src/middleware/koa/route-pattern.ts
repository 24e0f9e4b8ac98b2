import { unwatchedValue } from '../node/index.js'

/** The properties of a Koa context from which its route is known. */
interface Routed {
  /** Set by @koa/router and koa-router. */
  readonly _matchedRoute?: unknown
  /** Set by koa-mount. */
  readonly mountPath?: unknown
  /** Set by middleware in front of @koa/router to choose another route; the router then overwrites `routerPath`. */
  readonly newRouterPath?: unknown
  readonly routerPath?: unknown
}

/** The pattern of the route that a request has reached: `/products/:id`; `undefined` if it has reached none. */
export function koaRoute(context: Routed): string | undefined {
  const route = unwatchedValue(context, '_matchedRoute')
  if (typeof route !== 'string' && !(route instanceof RegExp)) return undefined
  const mountPath = unwatchedValue(context, 'mountPath')
  return typeof mountPath === 'string' && mountPath !== '/' ? mountPath + String(route) : String(route)
}

/**
 * The path by which middleware in front has chosen the route, instead of that of the URL; `undefined` if it has not. A
 * router that the request has reached leaves the pattern of the route in `routerPath`, which is no choice.
 */
export function reroutedPath({ newRouterPath, routerPath, _matchedRoute: route }: Routed): string | undefined {
  const path = newRouterPath || (routerPath === route ? undefined : routerPath)
  return path ? String(path) : undefined
}
