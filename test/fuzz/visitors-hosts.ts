import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { Readable } from 'node:stream'
import express, { type Request, type Response } from 'express'
import Koa, { type Context } from 'koa'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { type Answer, bodyOf, type Place, type Program, runFront, runHandler } from './visitors-programs.js'

/** Two servers of one kind that run the same program: with the cache, and without. */
export interface HostPair {
  readonly name: string
  readonly isHttp2: boolean
  readonly cached: Server
  readonly plain: Server
  close(): Promise<void>
}

const options = { ttl: 60, statusTtl: { 402: 60, 404: 60 }, cacheStatus: 'debug' } as const

/** Who asks, read where the cache does not watch. */
const whoAsks = ({ rawHeaders }: IncomingMessage) => rawHeaders[rawHeaders.indexOf('x-who') + 1] ?? ''
const visitorOf = (request: IncomingMessage) => (request.rawHeaders.includes('x-who') ? whoAsks(request) : '')

/** All hosts. @param program - the one that is played */
export function hosts(program: () => Program): readonly HostPair[] {
  return [
    nodePair('node:http', false, program),
    nodePair('node:http2', true, program),
    expressPair('Express', (app) => app, program),
    expressPair('Express, in front', (app, cached) => cached?.listener(app, { skipOnHit: [] }) ?? app, program),
    koaPair('Koa', program),
  ]
}

function nodePair(name: string, isHttp2: boolean, program: () => Program): HostPair {
  const cached = fallbackCache(options)
  const run = (req: IncomingMessage, res: ServerResponse) => runHandler(program(), nodePlace(req, res))
  const listener = (isCached: boolean) => (req: IncomingMessage, res: ServerResponse) => {
    Object.assign(res, { locals: {} })
    runFront(program(), nodePlace(req, res), visitorOf(req))
    if (isCached) cached(req as never, res as never, () => void run(req, res))
    else void run(req, res)
  }
  const create = (isCached: boolean): Server =>
    isHttp2 ? createHttp2Server(listener(isCached) as never) : createServer(listener(isCached))
  return { name, isHttp2, cached: create(true), plain: create(false), close: () => cached.close() }
}

function expressPair(
  name: string,
  mount: (
    app: express.Express,
    cached?: ReturnType<typeof fallbackCache>,
  ) => express.Express | ReturnType<ReturnType<typeof fallbackCache>['listener']>,
  program: () => Program,
): HostPair {
  const cached = fallbackCache(options)
  const app = (isCached: boolean) => {
    const made = express().set('env', 'test')
    made.use((req, res, next) => {
      runFront(program(), expressPlace(req, res), visitorOf(req))
      next()
    })
    if (isCached) made.use(cached)
    return made.use((req, res) => runHandler(program(), expressPlace(req, res)))
  }
  const [inner, plain] = [createServer(mount(app(true), cached) as never), createServer(app(false))]
  return { name, isHttp2: false, cached: inner, plain, close: () => cached.close() }
}

function koaPair(name: string, program: () => Program): HostPair {
  const cached = koaCache(options)
  const app = (isCached: boolean) => {
    const made = new Koa()
    made.silent = true
    made.use((ctx, next) => {
      runFront(program(), koaPlace(ctx), visitorOf(ctx.req))
      return next()
    })
    if (isCached) made.use(cached)
    made.use((ctx) => runHandler(program(), koaPlace(ctx)))
    return createServer(made.callback())
  }
  return { name, isHttp2: false, cached: app(true), plain: app(false), close: () => cached.close() }
}

function nodePlace(req: IncomingMessage, res: ServerResponse): Place {
  const { locals } = res as ServerResponse & { locals: Record<string, unknown> }
  return {
    get url() {
      return req.url ?? ''
    },
    field: (name) => req.headers[name] as string | undefined,
    cookie: (name) => cookieOf(req.headers.cookie, name),
    query: () => String(req.url).split('?')[1] ?? '',
    status: () => res.statusCode,
    setStatus(status, reason) {
      res.statusCode = status
      if (reason !== undefined && req.httpVersionMajor === 1) res.statusMessage = reason
    },
    setField: (name, value) => void res.setHeader(name, value),
    setFieldOf: (name) => res.getHeader(name) as string | undefined,
    allSetFields: () => ({ ...res.getHeaders() }),
    rewrite: (url) => {
      req.url = url
    },
    leave: (name, value) => Object.assign(req, { [name]: value }),
    left: (name) => Reflect.get(req, name),
    leaveLocal: (name, value) => Object.assign(locals, { [name]: value }),
    local: (name) => (res as never as { locals: Record<string, unknown> }).locals[name],
    locals: () => (res as never as { locals: object }).locals,
    answer: (answer) => answerOver(res, answer),
  }
}

function answerOver(res: ServerResponse, answer: Answer): void {
  const body = bodyOf(answer)
  if (answer.body === 'head first') {
    res.writeHead(res.statusCode, { 'X-Late': '1' })
    res.flushHeaders()
    res.end(answer.text)
  } else if (body === undefined) res.end()
  else if (body instanceof Readable) body.pipe(res)
  else if (typeof body === 'string' || Buffer.isBuffer(body)) res.end(body)
  else {
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify(body))
  }
}

function expressPlace(req: Request, res: Response): Place {
  const answer = (one: Answer) => {
    const body = bodyOf(one)
    if (one.body === 'head first' || body === undefined || body instanceof Readable) answerOver(res, one)
    else if (one.body === 'json') res.json(body)
    else res.send(body)
  }
  return Object.assign(nodePlace(req, res), { answer, setFieldOf: (name: string) => res.get(name) })
}

function koaPlace(ctx: Context): Place {
  const place = nodePlace(ctx.req, Object.assign(ctx.res, { locals: {} }))
  const own = {
    cookie: (name: string) => ctx.cookies.get(name),
    query: () => ctx.querystring,
    status: () => ctx.status,
    setStatus(status: number, reason?: string) {
      ctx.status = status
      if (reason !== undefined) ctx.message = reason
    },
    setField: (name: string, value: string) => ctx.set(name, value),
    setFieldOf: (name: string) => ctx.response.get(name),
    allSetFields: () => ({ ...ctx.response.headers }),
    rewrite: (url: string) => {
      ctx.url = url
    },
    leave: (name: string, value: unknown) => Object.assign(ctx, { [name]: value }),
    left: (name: string) => ctx[name],
    leaveLocal: (name: string, value: unknown) => Object.assign(ctx.state, { [name]: value }),
    local: (name: string) => ctx.state[name],
    locals: () => ctx.state,
    answer: (one: Answer) => {
      ctx.body = bodyOf(one) ?? null
    },
  }
  return Object.defineProperties(place, Object.getOwnPropertyDescriptors(own))
}

function cookieOf(field: string | undefined, name: string): string | undefined {
  return field?.split('; ').find((one) => one.startsWith(`${name}=`))
}

/** Opens a server. @returns its port */
export async function portOf(server: Server): Promise<number> {
  // A connection must not be closed at the moment in which the client uses it again.
  Object.assign(server, { keepAliveTimeout: 3_600_000 })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
