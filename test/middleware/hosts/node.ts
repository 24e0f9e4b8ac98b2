import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { type FallbackCacheMiddleware, fallbackCache } from '../../../src/middleware/express.js'
import { bodyOf } from './body.js'
import type { Answer, Call, Host, Route, Site } from './host.js'
import { listen } from './listen.js'
import { Runs } from './runs.js'

type Next = (error?: unknown) => void
type Step = (req: IncomingMessage, res: ServerResponse, next: Next) => void

/** Plain node:http, as any host that calls `(req, res, next)`: no `req.protocol`, no `res.send`, no `originalUrl`. */
export const node: Host<FallbackCacheMiddleware> = {
  fallbackCache,
  trustsProxies: false,
  start(site) {
    const runs = new Runs()
    const routes = site.routes.map((route) => {
      const path = new RegExp(`^${route.path.replace(/:[^/]+/g, '[^/]+')}/?$`, 'i')
      return { route, path, steps: [...(route.use ?? []), handler(route, runs)] }
    })
    const before: Step[] = [...(site.outer ? [outer(site.outer)] : []), ...(site.use ?? [])]
    const listener: RequestListener = (req, res) => {
      const pathname = (req.url ?? '/').split(/[?#]/, 1)[0] ?? '/'
      const method = req.method === 'HEAD' ? 'GET' : req.method
      const found = routes.find(({ route, path }) => (route.method ?? 'GET') === method && path.test(pathname))
      walk([...before, ...(found?.steps ?? [])], req, res)
    }
    return listen(listener)
  },
}

function walk([step, ...rest]: readonly Step[], req: IncomingMessage, res: ServerResponse): void {
  const next: Next = (error) => {
    if (error === undefined) walk(rest, req, res)
    else fail(res, error)
  }
  if (step === undefined) fail(res, { status: 404 })
  else step(req, res, next)
}

function fail(res: ServerResponse, error: unknown): void {
  const { status = 500 } = error as { readonly status?: number }
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  res.statusCode = status
  res.end(`error ${status}`)
}

function outer(run: NonNullable<Site<unknown>['outer']>): Step {
  return (req, res, next) => {
    run({
      fields: req.headers,
      setField: (name, value) => res.setHeader(name, value),
      signIn: (user) => Object.assign(req, { user }),
    })
    next()
  }
}

function handler(route: Route<unknown>, runs: Runs): Step {
  return async (req, res, next) => {
    try {
      const url = new URL(req.url ?? '/', 'http://host')
      const answer = await route.answer({
        run: runs.next(route),
        method: req.method ?? 'GET',
        path: url.pathname,
        query: url.searchParams,
        fields: req.headers,
        host: req.headers.host ?? '',
        handle: (res as ServerResponse & { readonly fallbackCache?: Call['handle'] }).fallbackCache as Call['handle'],
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

function send(res: ServerResponse, { status = 200, fields = {}, body }: Answer): void {
  res.statusCode = status
  for (const [name, value] of Object.entries(fields)) res.setHeader(name, value)
  if (body instanceof Readable) {
    pipeline(body, res, () => {})
  } else if (typeof body === 'object' && 'json' in body) {
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify(body.json))
  } else {
    res.end(body)
  }
}
