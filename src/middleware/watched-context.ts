import type { IncomingMessage } from 'node:http'
import type { InputsRead } from '../http/inputs-read.js'
import { watchFilledContext } from './watched-filled.js'
import { watchQuery } from './watched-query.js'
import { watchRequest } from './watched-request.js'

/** What of a Koa context is watched. */
interface WatchableContext {
  readonly req: IncomingMessage
  readonly request: object
  readonly state: object
  readonly app: { readonly request: object }
  cookies: { get(name: string, options?: object): string | undefined }
}

/** As `watchRequest`, for a Koa context: of a cookie that is read by `ctx.cookies.get` the name counts, not the whole field. */
export function watchContext(context: object, inputs: InputsRead): void {
  const ctx = context as WatchableContext
  watchRequest(ctx.req, inputs, ctx.app.request)
  watchQuery(ctx.request, inputs)
  watchFilledContext(ctx, inputs)
  const { cookies } = ctx
  const get: WatchableContext['cookies']['get'] = (name, options) => {
    inputs.cookie(String(name))
    inputs.pause()
    try {
      return cookies.get(name, options)
    } finally {
      inputs.resume()
    }
  }
  const watched = new Proxy(cookies, {
    get: (target, name) => (name === 'get' ? get : Reflect.get(target, name, target)),
  })
  ctx.cookies = watched
  inputs.onClose(() => {
    if (ctx.cookies === watched) ctx.cookies = cookies
  })
}
