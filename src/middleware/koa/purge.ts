import type { Middleware } from 'koa'
import { PurgeDoor, type Purged, type PurgeOptions } from '../purge/index.js'
import { checkedPath } from './checked-path.js'
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
  return async (ctx, next) => {
    if (!isMounted(ctx as object) && ctx.path !== path) return next()
    const answer = await door.answer(ctx.req, ctx.request as { readonly body?: unknown })
    ctx.status = answer.status
    ctx.body = answer.body
    ctx.set(answer.headers)
  }
}

/** Whether a router or `koa-mount` has chosen it. */
function isMounted(ctx: { readonly _matchedRoute?: unknown; readonly mountPath?: string }): boolean {
  return ctx.mountPath !== undefined || koaRoute(ctx) !== undefined
}
