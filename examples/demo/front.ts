import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { performance } from 'node:perf_hooks'
import { type AnswerSource, answerSource } from './answer-source.js'

/** The two apps behind the one origin. */
export type AppName = 'express' | 'koa'

/** A request that was answered, as the demo shows it. */
export interface SeenRequest {
  /** When it arrived, epoch milliseconds. */
  readonly at: number
  readonly method: string
  readonly url: string
  /** The app that answered. */
  readonly app: AppName
  /** The app whose handler computed the answer, perhaps long ago and in the other app. */
  readonly computedBy: string | undefined
  readonly source: AnswerSource
  readonly status: number
  /** From its arrival to the last byte of the answer. */
  readonly ms: number
  readonly cacheStatus: string | undefined
}

/**
 * One origin with two apps behind it, as behind a load balancer: requests go to Express and to Koa in turn, or to the one that
 * `X-App` names. Same scheme, host and path mean the same key, so either app answers from what the other one stored.
 *
 * @param own - the demo's own pages; true when it took the request
 */
export function createFront(
  apps: Readonly<Record<AppName, RequestListener>>,
  own: (req: IncomingMessage, res: ServerResponse) => boolean,
  onAnswer: (seen: SeenRequest) => void,
): Server {
  let turn = 0
  const server = createServer((req, res) => {
    if (own(req, res)) return
    // The dashboard of the cache that both apps share; its own requests are not shown.
    if (/^\/__cache(?:[/?]|$)/.test(req.url ?? '')) {
      apps.express(req, res)
      return
    }
    const named = req.headers['x-app']
    const app: AppName = named === 'express' || named === 'koa' ? named : turn++ % 2 === 0 ? 'express' : 'koa'
    res.setHeader('X-Answered-By', app)
    watch(req, res, app, onAnswer)
    apps[app](req, res)
  })
  // A connection that is closed at the very moment of the next request would look like a failure of the cache.
  server.keepAliveTimeout = 60_000
  return server
}

function watch(req: IncomingMessage, res: ServerResponse, app: AppName, onAnswer: (seen: SeenRequest) => void): void {
  const at = Date.now()
  const started = performance.now()
  const { method = 'GET', url = '/' } = req
  res.once('finish', () => {
    const cacheStatus = headerText(res.getHeader('cache-status'))
    onAnswer({
      at,
      method,
      url,
      app,
      computedBy: headerText(res.getHeader('x-computed-by')),
      source: answerSource(cacheStatus),
      status: res.statusCode,
      ms: performance.now() - started,
      cacheStatus,
    })
  })
}

function headerText(value: number | string | readonly string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}
