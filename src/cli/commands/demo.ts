import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fallbackCache } from '../../middleware/express.js'
import type { Command } from '../command.js'
import { answeredByDashboard, DASHBOARD, LocalServer } from '../local-server.js'
import { visible } from '../terminal.js'

/** Time that the page takes, in ms. */
const WORK = 500

/** `fallback-cache demo`: a small application with a cache. */
export const demoCommand: Command = {
  synopsis: '[options]',
  description:
    'Serves a small application with a cache on this machine, at 127.0.0.1 only, and prints requests to try: a page that takes half a second, a write that changes it, a page made from a cookie, the dashboard. Ends with Ctrl-C.',
  options: {
    port: { value: 'n', text: 'Default: 3000; 0 takes a free one' },
    redis: { value: 'url', text: 'a Redis, so that several of these share a cache. Default: memory alone' },
  },
  arity: [0, 0],
  examples: [
    ['In memory', 'demo'],
    ['Two processes that share a Redis', 'demo --redis redis://localhost --port 3001'],
  ],
  failsIf: 'the port is taken',
  async run(given, { terminal, signal }) {
    const redis = given.text('redis')
    // One Redis serves several demos, and may be that of an application.
    const cached = fallbackCache({
      ttl: 60,
      keyPrefix: 'fallback-cache-demo:',
      ...(redis === undefined ? {} : { redis }),
    })
    const server = new LocalServer()
    const dashboard = cached.dashboard({ authorize: server.isOwn, readOnly: false, environment: 'demo' })
    const prices = new Map<string, number>()

    const route = async ({ method, url = '/', headers }: IncomingMessage, response: ServerResponse): Promise<void> => {
      const [, id] = /^\/products\/(\w+)(?:$|\?)/.exec(url) ?? []
      if (url === '/') return void response.end(`${guide(server.origin)}\n`)
      if (url === '/cart') return void response.end(`cart of ${headers.cookie ?? 'a stranger'}\n`)
      if (id === undefined) return void response.writeHead(404).end('not found\n')
      if (method === 'POST') {
        prices.set(id, (prices.get(id) ?? 20) + 1)
        await cached.invalidate(['products', id])
        return void response.end('changed and invalidated\n')
      }
      await sleep(WORK)
      response.setHeader('Content-Type', 'application/json')
      response.end(`${JSON.stringify({ id, price: prices.get(id) ?? 20, made: new Date().toISOString() })}\n`)
    }

    await server.listen(given.number('port', 3000, [0, 65_535]), (request, response) => {
      if (answeredByDashboard(dashboard, request, response)) return
      cached(request, response, () => void route(request, response))
    })
    const { origin } = server
    if (given.has('json')) await terminal.json({ url: origin, dashboard: `${origin}${DASHBOARD}/` })
    else await terminal.print(`${visible(origin)}  (Ctrl-C ends it)\n\n${guide(origin)}`)
    await server.end(signal)
    await cached.close()
    return 0
  },
}

function guide(origin: string): string {
  return `Try, in another terminal, and look at Cache-Status:
  curl -i ${origin}/products/1          half a second: a miss
  curl -i ${origin}/products/1          at once: a hit
  curl -X POST ${origin}/products/1     changes the product, and invalidates its page
  curl -i ${origin}/products/1          the new page
  curl -i -b cart=7 ${origin}/cart      made from a cookie: not stored
  npx fallback-cache explain ${origin}/products/1
The dashboard: ${origin}${DASHBOARD}/`
}
