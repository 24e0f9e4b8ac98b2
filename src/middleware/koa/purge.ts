import type { Middleware } from 'koa'
import { PurgeDoor, type Purged, type PurgeOptions } from '../purge/index.js'
import { checkedPath } from './checked-path.js'
import { isMounted } from './mounted.js'
import { koaRoute } from './route-pattern.js'

/** The options of the purge endpoint in Koa. */
export interface KoaPurgeOptions extends PurgeOptions {
  /** Its path; without effect behind a router and `koa-mount`, which have one. @defaultValue `'/__purge'` */
  readonly path?: string | undefined
}

/**
 * Creates the purge endpoint for Koa.
 *
 * @throws as {@link PurgeDoor}; TypeError for a path that does not begin with a slash, or ends with one
 */
export function koaPurge(purged: Purged, given: KoaPurgeOptions): Middleware {
  const { path = '/__purge', ...options } = given
  checkedPath(path, '/__purge')
  const door = new PurgeDoor(purged, options)
  const purge: Middleware = async (ctx, next) => {
    if (ctx.path !== path && !isMounted(ctx) && !isRouted(ctx as object, purge)) return next()
    const answer = await door.answer(ctx.req, ctx.request as { readonly body?: unknown })
    ctx.status = answer.status
    ctx.body = answer.body
    ctx.set(answer.headers)
  }
  return purge
}

/** What a router leaves in a context: the pattern of the route, and the routes with their handlers. */
interface Routed {
  readonly _matchedRoute?: unknown
  readonly matched?: readonly { readonly stack?: readonly unknown[] }[]
}

/** Whether a router has chosen a handler. A request that has only passed a route says the same until its handlers are asked. */
function isRouted(ctx: Routed, handler: unknown): boolean {
  return koaRoute(ctx) !== undefined && ctx.matched?.some(({ stack }) => stack?.includes(handler) === true) !== false
}
