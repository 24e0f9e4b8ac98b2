import type { RequestListener, Server } from 'node:http'
import { Readable } from 'node:stream'
import Router from '@koa/router'
import Koa from 'koa'
import Koa2 from 'koa2'
import { type FallbackCacheMiddleware, fallbackCache } from '../../../src/middleware/koa.js'
import { bodyOf } from './body.js'
import type { Answer, Call, Host, Route, Site } from './host.js'
import { listen } from './listen.js'
import { Runs } from './runs.js'

/** Koa 3 with @koa/router. */
export const koa: Host<FallbackCacheMiddleware> = koaHost(Koa)

/** Koa 2 with @koa/router. */
export const koa2: Host<FallbackCacheMiddleware> = koaHost(Koa2)

/** Koa 3, its hits answered in front of it. */
export const koaFront: Host<FallbackCacheMiddleware> = koaHost(Koa, serveInFront)

/** Koa 2, its hits answered in front of it. */
export const koa2Front: Host<FallbackCacheMiddleware> = koaHost(Koa2, serveInFront)

function koaHost(
  Application: typeof Koa,
  serve: (app: Koa, site: Site<FallbackCacheMiddleware>) => RequestListener | Server = (app) => app.callback(),
): Host<FallbackCacheMiddleware> {
  return {
    fallbackCache,
    start(site) {
      const app = new Application({ proxy: site.trustProxy ?? false })
      app.silent = true
      if (site.outer) app.use(outer(site.outer))
      for (const middleware of site.use ?? []) app.use(middleware)
      const router = new Router()
      const runs = new Runs()
      for (const route of site.routes) {
        router.register(
          route.path,
          [(route.method ?? 'GET').toLowerCase()],
          [...(route.use ?? []), handler(route, runs)],
        )
      }
      app.use(router.routes())
      return listen(serve(app, site))
    },
  }
}

function serveInFront(app: Koa, { use = [], routes }: Site<FallbackCacheMiddleware>): RequestListener | Server {
  const [cached] = [...use, ...routes.flatMap((route) => route.use ?? [])]
  return cached === undefined ? app.callback() : cached.serve(app)
}

function outer(run: NonNullable<Site<unknown>['outer']>): Koa.Middleware {
  return (ctx, next) => {
    run({
      fields: ctx.req.headers,
      setField: (name, value) => ctx.set(name, typeof value === 'string' ? value : [...value]),
      signIn: (user) => {
        ctx.state.user = user
      },
    })
    return next()
  }
}

function handler(route: Route<unknown>, runs: Runs): Koa.Middleware {
  return async (ctx) => {
    const answer = await route.answer({
      run: runs.next(route),
      method: ctx.method,
      // Read only by those answers that need it: the cache observes that the whole URL was read.
      get path() {
        return new URL(ctx.originalUrl, 'http://host').pathname
      },
      get query() {
        return new URL(ctx.originalUrl, 'http://host').searchParams
      },
      fields: ctx.req.headers,
      host: ctx.hostname,
      handle: ctx.fallbackCache as Call['handle'],
      body: () => bodyOf(ctx.req),
      signIn: (user) => {
        ctx.state.user = user
      },
      session: (session) => {
        ctx.session = session
      },
      get closed() {
        return new Promise<void>((resolve) => ctx.res.once('close', resolve))
      },
    })
    send(ctx, answer)
  }
}

function send(ctx: Koa.Context, { status = 200, fields = {}, body }: Answer): void {
  ctx.status = status
  for (const [name, value] of Object.entries(fields)) ctx.set(name, typeof value === 'string' ? value : [...value])
  if (body !== undefined) ctx.body = isJson(body) ? body.json : body
  // Koa 2 leaves a client waiting whose stream breaks; applications see to it themselves.
  if (body instanceof Readable) body.once('error', () => ctx.res.destroy())
}

function isJson(body: Answer['body']): body is { readonly json: unknown } {
  return typeof body === 'object' && 'json' in body
}
