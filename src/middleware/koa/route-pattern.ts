/** The properties of a Koa context from which its route is known. */
interface Routed {
  /** Set by @koa/router and koa-router. */
  readonly _matchedRoute?: unknown
  /** Set by koa-mount. */
  readonly mountPath?: unknown
}

/** The pattern of the route that a request has reached: `/products/:id`; `undefined` if it has reached none. */
export function koaRoute({ _matchedRoute: route, mountPath }: Routed): string | undefined {
  if (typeof route !== 'string' && !(route instanceof RegExp)) return undefined
  return typeof mountPath === 'string' && mountPath !== '/' ? mountPath + String(route) : String(route)
}
