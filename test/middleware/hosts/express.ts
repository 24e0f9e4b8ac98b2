import type { RequestListener, Server } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import express5, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import express4Factory from 'express4'
import { type FallbackCacheMiddleware, fallbackCache } from '../../../src/middleware/express.js'
import { bodyOf } from './body.js'
import type { Answer, Call, Host, Route, Site } from './host.js'
import { listen } from './listen.js'
import { Runs } from './runs.js'

/** Express 5. */
export const express: Host<FallbackCacheMiddleware> = expressHost(express5)

/** Express 4. */
export const express4: Host<FallbackCacheMiddleware> = expressHost(express4Factory)

/** Express 5, its hits answered in front of it. */
export const expressFront: Host<FallbackCacheMiddleware> = expressHost(express5, serveInFront)

/** Express 4, its hits answered in front of it. */
export const express4Front: Host<FallbackCacheMiddleware> = expressHost(express4Factory, serveInFront)

function expressHost(
  createApplication: () => Express,
  serve: (app: Express, site: Site<FallbackCacheMiddleware>) => RequestListener | Server = (app) => app,
): Host<FallbackCacheMiddleware> {
  return {
    fallbackCache,
    start(site) {
      const app = createApplication()
      app.set('env', 'test')
      if (site.trustProxy) app.set('trust proxy', true)
      if (site.outer) app.use(outer(site.outer))
      for (const middleware of site.use ?? []) app.use(middleware)
      const runs = new Runs()
      for (const route of site.routes) {
        const register = app[(route.method ?? 'GET').toLowerCase() as 'get'].bind(app)
        register(route.path, ...(route.use ?? []), handler(route, runs))
      }
      return listen(serve(app, site))
    },
  }
}

function serveInFront(app: Express, { use = [], routes }: Site<FallbackCacheMiddleware>): RequestListener | Server {
  const [cached] = [...use, ...routes.flatMap((route) => route.use ?? [])]
  return cached === undefined ? app : cached.serve(app)
}

function outer(run: NonNullable<Site<unknown>['outer']>): RequestHandler {
  return (req, res, next) => {
    run({
      fields: req.headers,
      setField: (name, value) => res.setHeader(name, typeof value === 'string' ? value : [...value]),
      signIn: (user) => Object.assign(req, { user }),
    })
    next()
  }
}

function handler(route: Route<unknown>, runs: Runs): RequestHandler {
  return async (req: Request, res: Response, next: NextFunction) => {
    try {
      const url = new URL(req.originalUrl, 'http://host')
      const answer = await route.answer({
        run: runs.next(route),
        method: req.method,
        path: url.pathname,
        query: url.searchParams,
        fields: req.headers,
        host: req.hostname,
        handle: res.fallbackCache as Call['handle'],
        body: () => bodyOf(req),
        signIn: (user) => Object.assign(req, { user }),
        session: (session) => Object.assign(req, { session }),
        get closed() {
          return new Promise<void>((resolve) => res.once('close', resolve))
        },
      })
      send(res, answer)
    } catch (error) {
      next(error)
    }
  }
}

function send(res: Response, { status = 200, fields = {}, body }: Answer): void {
  res.status(status)
  for (const [name, value] of Object.entries(fields))
    res.setHeader(name, typeof value === 'string' ? value : [...value])
  if (body === undefined) res.end()
  else if (body instanceof Readable) pipeline(body, res, () => {})
  else if (typeof body === 'string' || Buffer.isBuffer(body)) res.send(body)
  else res.json(body.json)
}
