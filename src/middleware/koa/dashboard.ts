import { Readable } from 'node:stream'
import type { Context, Middleware } from 'koa'
import { DashboardDoor, type DashboardOptions, dashboardRequest, sendAnswer, type Watched } from '../dashboard/index.js'
import { checkedPath } from './checked-path.js'
import { isMounted } from './mounted.js'

/** The options of the dashboard in Koa. */
export interface KoaDashboardOptions extends DashboardOptions<Context> {
  /** Its path; without effect behind `koa-mount`, which has one. @defaultValue `'/__cache'` */
  readonly path?: string | undefined
}

/**
 * Creates the dashboard for Koa.
 *
 * @throws as {@link DashboardDoor}; TypeError for a path that does not begin with a slash, or ends with one
 */
export function koaDashboard(
  watched: Watched,
  { path = '/__cache', ...options }: KoaDashboardOptions = {},
): Middleware {
  checkedPath(path, '/__cache')
  const door = new DashboardDoor<Context>(watched, options)
  return async (ctx, next) => {
    const below = isMounted(ctx) ? ctx.path : `${ctx.path}/`.startsWith(`${path}/`) && ctx.path.slice(path.length)
    if (below === false) return next()
    const { body } = ctx.request as { readonly body?: unknown }
    const asked = dashboardRequest(ctx.req, (below || '/') + ctx.search, ctx.originalUrl, body)
    const answer = await door.answer(asked, ctx)
    if (answer.body instanceof Readable) {
      // Koa would report each page that stops watching as an error.
      ctx.respond = false
      sendAnswer(ctx.res, answer)
      return
    }
    ctx.status = answer.status
    ctx.body = Buffer.from(answer.body)
    ctx.set(answer.headers)
  }
}
