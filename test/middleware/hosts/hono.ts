import type { RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { getRequestListener } from '@hono/node-server'
import { type Context, type Handler, Hono } from 'hono'
import { fetchWithNode } from '../../../src/adapters/fetch-with-node.js'
import { fallbackCache, type HonoCache, type HonoEnv } from '../../../src/adapters/hono.js'
import type { Answer, Call, Host, Route } from './host.js'
import { listen } from './listen.js'
import { Runs } from './runs.js'

/** Hono on @hono/node-server. */
export const hono = hostWith((app) => getRequestListener(app.fetch as never))

/** Hono over `cached.fetch`, as in `Bun.serve`: each request and each response passes through the Fetch API. */
export const honoFetch = hostWith((app) => {
  const plain = { overrideGlobalObjects: false }
  const fetch = fetchWithNode(getRequestListener(app.fetch as never, plain))
  return getRequestListener(
    (request, { incoming }) => fetch(request, { remoteAddr: { hostname: incoming.socket.remoteAddress ?? '' } }),
    plain,
  )
})

function hostWith(listenerOf: (app: Hono<HonoEnv>) => RequestListener): Host<HonoCache> {
  return {
    fallbackCache,
    trustsProxies: false,
    nests: false,
    start(site) {
      const getPath = (request: Request) => new URL(request.url).pathname.toLowerCase().replace(/(.)\/$/, '$1')
      const app = new Hono<HonoEnv>({ getPath: getPath as never })
      app.onError((error, c) => c.text('error', ('status' in error ? error.status : 500) as never))
      const { outer } = site
      if (outer !== undefined) {
        app.use(async (c, next) => {
          outer({
            fields: c.env.incoming.headers,
            setField: (name, value) => {
              for (const line of [value].flat()) c.header(name, line, { append: typeof value !== 'string' })
            },
            signIn: (user) => c.set('user', user),
          })
          await next()
        })
      }
      for (const cached of site.use ?? []) app.use(cached)
      const runs = new Runs()
      for (const route of site.routes) {
        const handlers = [...(route.use ?? []), handler(route, runs)]
        app.on([route.method ?? 'GET'], [route.path], ...handlers)
      }
      return listen(listenerOf(app))
    },
  }
}

function handler(route: Route<unknown>, runs: Runs): Handler<HonoEnv> {
  return async (c) => {
    const url = new URL(c.req.url)
    const { outgoing, incoming } = c.env
    const answer = await route.answer({
      run: runs.next(route),
      method: c.req.method,
      path: url.pathname,
      query: url.searchParams,
      // As a handler would: it reads the fields that it wants.
      fields: new Proxy(
        {},
        {
          get: (_, name) => c.req.header(String(name)),
          ownKeys: () => Object.keys(c.req.header()),
          getOwnPropertyDescriptor: (_, name) => ({
            value: c.req.header(String(name)),
            enumerable: true,
            configurable: true,
          }),
        },
      ),
      host: incoming.headers.host ?? '',
      handle: (outgoing as ServerResponse & { readonly fallbackCache?: Call['handle'] })
        .fallbackCache as Call['handle'],
      body: () => c.req.text(),
      signIn: (user) => c.set('user', user),
      session: (session) => c.set('session', session),
      get closed() {
        return new Promise<void>((resolve) => outgoing.once('close', resolve))
      },
    })
    return send(c, answer)
  }
}

function send(c: Context<HonoEnv>, { status = 200, fields = {}, body }: Answer): Response {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') c.header(name, value)
    else for (const line of value) c.header(name, line, { append: true })
  }
  c.status(status as never)
  if (body === undefined) return c.body(null)
  if (body instanceof Readable) return c.body(Readable.toWeb(body) as WebStream as never)
  if (typeof body === 'string' || Buffer.isBuffer(body)) return c.body(body as never)
  return c.json(body.json)
}
