import { METHODS, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import createFastify, { type FastifyReply, type RouteHandlerMethod } from 'fastify'
import { type FastifyCache, fallbackCache } from '../../../src/adapters/fastify.js'
import type { Answer, Call, Host, Route } from './host.js'
import { Runs } from './runs.js'

/** Fastify 5. */
export const fastify: Host<FastifyCache> = {
  fallbackCache,
  trustsProxies: false,
  async start(site) {
    const app = createFastify({ routerOptions: { caseSensitive: false, ignoreTrailingSlash: true } })
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: 2 ** 20 }, (_request, body, done) => done(null, body))
    if (METHODS.includes('QUERY')) app.addHttpMethod('QUERY', { hasBody: true })
    const { outer } = site
    if (outer !== undefined) {
      app.addHook('onRequest', async (request, reply) =>
        outer({
          fields: request.headers,
          setField: (name, value) => void reply.header(name, value),
          signIn: (user) => Object.assign(request, { user }),
        }),
      )
    }
    for (const cached of site.use ?? []) app.register(cached)
    const runs = new Runs()
    for (const route of site.routes) {
      app.route({
        method: route.method ?? 'GET',
        url: route.path,
        onRequest: (route.use ?? []).map((cached) => cached.hooks.onRequest),
        onSend: (route.use ?? []).map((cached) => cached.hooks.onSend),
        handler: handler(route, runs),
      })
    }
    await app.listen({ port: 0, host: '127.0.0.1' })
    return {
      port: (app.server.address() as AddressInfo).port,
      close: async () => {
        app.server.closeAllConnections()
        await app.close()
      },
    }
  },
}

function handler(route: Route<unknown>, runs: Runs): RouteHandlerMethod {
  return async (request, reply) => {
    const url = new URL(request.originalUrl, 'http://host')
    const answer = await route.answer({
      run: runs.next(route),
      method: request.method,
      path: url.pathname,
      query: url.searchParams,
      fields: request.headers,
      host: request.hostname,
      handle: (reply.raw as ServerResponse & { readonly fallbackCache?: Call['handle'] })
        .fallbackCache as Call['handle'],
      body: async () => String(request.body ?? ''),
      signIn: (user) => Object.assign(request, { user }),
      session: (session) => Object.assign(request, { session }),
      get closed() {
        return new Promise<void>((resolve) => reply.raw.once('close', resolve))
      },
    })
    return send(reply, answer)
  }
}

function send(reply: FastifyReply, { status = 200, fields = {}, body }: Answer): FastifyReply {
  reply.code(status)
  for (const [name, value] of Object.entries(fields)) reply.header(name, value)
  if (typeof body === 'object' && 'json' in body) return reply.send(body.json)
  return reply.send(body)
}
