import { pipeline, Readable } from 'node:stream'
import express5, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import express4Factory from 'express4'
import { type FallbackCacheMiddleware, fallbackCache } from '../../../src/middleware/express.js'
import type { Answer, Call, Host, Route, Site } from './host.js'
import { listen } from './listen.js'
import { Runs } from './runs.js'

/** Express 5. */
export const express: Host<FallbackCacheMiddleware> = expressHost(express5)

/** Express 4. */
export const express4: Host<FallbackCacheMiddleware> = expressHost(express4Factory)

function expressHost(createApplication: () => Express): Host<FallbackCacheMiddleware> {
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
      return listen(app)
    },
  }
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
        signIn: (user) => Object.assign(req, { user }),
        session: (session) => Object.assign(req, { session }),
        closed: new Promise((resolve) => res.once('close', resolve)),
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
