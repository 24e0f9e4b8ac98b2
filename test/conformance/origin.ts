import { createServer, type IncomingHttpHeaders, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import express from 'express'
import Koa from 'koa'
import { fallbackCache as expressCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import type { ManualClock } from '../support/manual-clock.js'

/** The two ways the cache is set up. */
export type Preset = 'application' | 'proxy'

/** The frameworks that the rules are tried in. */
export type Framework = 'Express' | 'Koa'

/** A request as the handler behind the cache sees it. */
export interface Call {
  /** How often the handler has run, this run included. */
  readonly run: number
  readonly method: string
  readonly target: string
  readonly fields: IncomingHttpHeaders
}

/** What the handler answers. */
export interface Answer {
  /** @defaultValue 200 */
  readonly status?: number
  readonly fields?: Readonly<Record<string, string | readonly string[]>>
  /** @defaultValue `body` and the number of the run */
  readonly body?: string
  /** Breaks off after the body, which is shorter than its Content-Length. */
  readonly breaks?: boolean
}

/** Answers one request, or throws. */
export type Handler = (call: Call) => Answer | Promise<Answer>

/** Options beside the preset. */
export interface CacheOptions {
  readonly ttl?: number
  readonly methods?: readonly ('GET' | 'HEAD' | 'POST' | 'QUERY')[]
  readonly targets?: readonly string[]
  readonly precompress?: readonly ('br' | 'gzip' | 'zstd')[]
}

/** Called with every request as it arrives, before the cache sees it. */
export type OnArrival = () => void

/** A server with the cache in front of one handler. */
export interface Origin {
  readonly port: number
  close(): Promise<void>
}

/** Starts a server on a free port of the loopback interface. */
export function startOrigin(
  framework: Framework,
  preset: Preset,
  clock: ManualClock,
  options: CacheOptions,
  handler: Handler,
  onArrival: OnArrival,
): Promise<Origin> {
  const policy = { preset, clock, ...options }
  if (framework === 'Express') return startExpress(expressCache(policy), handler, onArrival)
  return startKoa(koaCache(policy), handler, onArrival)
}

async function startExpress(
  cached: ReturnType<typeof expressCache>,
  handler: Handler,
  onArrival: OnArrival,
): Promise<Origin> {
  const app = express()
  app.set('env', 'test')
  const runs = counter()
  app.use(cached, async (req, res, next) => {
    try {
      const { status = 200, fields = {}, body, breaks } = await handler(callOf(req, runs()))
      res.statusCode = status
      for (const [name, value] of Object.entries(fields)) res.setHeader(name, value)
      if (!breaks) return void res.end(body)
      res.write(body ?? '', () => res.destroy())
    } catch (error) {
      next(error)
    }
  })
  return listen(app, cached, onArrival)
}

async function startKoa(cached: ReturnType<typeof koaCache>, handler: Handler, onArrival: OnArrival): Promise<Origin> {
  const app = new Koa()
  app.silent = true
  const runs = counter()
  app.use(cached)
  app.use(async (ctx) => {
    const { status = 200, fields = {}, body, breaks } = await handler(callOf(ctx.req, runs()))
    ctx.status = status
    for (const [name, value] of Object.entries(fields)) ctx.set(name, typeof value === 'string' ? value : [...value])
    if (breaks) ctx.body = brokenOff(body ?? '').once('error', () => ctx.res.destroy())
    else if (body !== undefined) ctx.body = body
    // Koa takes the length of what it was given for that of the body.
    if (fields['Content-Length'] !== undefined) ctx.set('Content-Length', String(fields['Content-Length']))
  })
  return listen(app.callback(), cached, onArrival)
}

function callOf({ method = 'GET', url = '/', headers }: IncomingMessage, run: number): Call {
  return { run, method, target: url, fields: headers }
}

function counter(): () => number {
  let runs = 0
  return () => {
    runs += 1
    return runs
  }
}

function brokenOff(body: string): Readable {
  return Readable.from(
    (async function* () {
      yield Buffer.from(body)
      await new Promise(setImmediate)
      throw new Error('the source broke')
    })(),
  )
}

async function listen(
  listener: RequestListener,
  cached: { close(): Promise<void> },
  onArrival: OnArrival,
): Promise<Origin> {
  const server = createServer()
  server.on('request', onArrival)
  server.on('request', listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await cached.close()
    },
  }
}
