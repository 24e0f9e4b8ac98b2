import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { performance } from 'node:perf_hooks'
import { type AnswerSource, answerSource } from './answer-source.js'

/** A request that was answered, as the demo shows it. */
export interface SeenRequest {
  /** When it arrived, epoch milliseconds. */
  readonly at: number
  readonly method: string
  readonly url: string
  /** The process that answered. */
  readonly app: string
  /** The process whose handler computed the answer, perhaps long ago and in another process. */
  readonly computedBy: string | undefined
  readonly source: AnswerSource
  readonly status: number
  /** From its arrival to the last byte of the answer. */
  readonly ms: number
  readonly cacheStatus: string | undefined
}

/**
 * One origin with several apps behind it, as behind a load balancer: requests go to them in turn, or to the one that `X-App`
 * names (`koa-2`, or `koa` for any of its kind). Same scheme, host and path mean the same key, so each app answers from what
 * another one stored.
 *
 * @param apps - read at each request: an app that is removed gets none
 * @param own - the demo's own pages; true when it took the request
 */
export function createFront(
  apps: ReadonlyMap<string, RequestListener>,
  own: (req: IncomingMessage, res: ServerResponse) => boolean,
  onAnswer: (seen: SeenRequest) => void,
): Server {
  let turn = 0
  const server = createServer((req, res) => {
    if (own(req, res)) return
    const names = namesFor(String(req.headers['x-app'] ?? ''), [...apps.keys()])
    // The dashboard shows all processes, but one of them answers its live stream; its own requests are not shown.
    const isDashboard = /^\/__cache(?:[/?]|$)/.test(req.url ?? '')
    const name = isDashboard ? names[0] : names[turn++ % names.length]
    const app = apps.get(name ?? '')
    if (name === undefined || app === undefined) {
      res.writeHead(503, { 'Retry-After': '1' }).end('not started yet')
      return
    }
    res.setHeader('X-Answered-By', name)
    if (!isDashboard) watch(req, res, name, onAnswer)
    app(req, res)
  })
  // A connection that is closed at the very moment of the next request would look like a failure of the cache.
  server.keepAliveTimeout = 60_000
  return server
}

function namesFor(wanted: string, all: readonly string[]): readonly string[] {
  if (all.includes(wanted)) return [wanted]
  const ofItsKind = all.filter((name) => name.startsWith(`${wanted}-`))
  return ofItsKind.length > 0 ? ofItsKind : all
}

function watch(req: IncomingMessage, res: ServerResponse, app: string, onAnswer: (seen: SeenRequest) => void): void {
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
