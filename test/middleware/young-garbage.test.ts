import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { fallbackCache as forExpress } from '../../src/middleware/express.js'
import { fallbackCache as forKoa } from '../../src/middleware/koa.js'
import { listen } from './hosts/listen.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void

const options = { ttl: 60, maxEntries: 1 } as const

const applications = {
  // Without Express, which until Node.js 22 leaves such garbage itself: it replaces the prototype of each request.
  'node:http': (isCached: boolean) => {
    const cached = forExpress(options)
    const page = (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('Content-Type', 'text/plain')
      response.end(`${request.url} ${request.headers['user-agent']}`)
    }
    return createServer((request, response) => {
      if (isCached) cached(request, response, () => page(request, response))
      else page(request, response)
    })
  },
  Koa: (isCached: boolean) => {
    const app = new Koa()
    if (isCached) app.use(forKoa(options))
    app.use((ctx) => {
      ctx.body = { path: ctx.path, agent: ctx.headers['user-agent'] }
    })
    return createServer(app.callback())
  },
}

/** Bytes for each request that young collections leave in the old space, where only a full collection removes them. */
async function promotedBy(server: Server): Promise<number> {
  const site = await listen(server)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (path: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const outgoing = send({ port: site.port, path, agent }, (incoming) => incoming.resume().on('end', resolve))
      outgoing.on('error', reject).end()
    })
  const rounds: number[] = []
  for (let round = 0; round < 3; round++) {
    collect()
    const before = oldSpace()
    for (let at = 0; at < PER_ROUND; at++) {
      await ask(`/page/${round}-${at}`)
      // What survives two young collections moves to the old space.
      if (at % 20 === 19) for (let time = 0; time < 2; time++) collect({ type: 'minor' })
    }
    rounds.push((oldSpace() - before) / PER_ROUND)
  }
  agent.destroy()
  await site.close()
  // The first rounds compile code as well.
  return Math.min(...rounds)
}

const PER_ROUND = 100

function oldSpace(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0
}

describe.each(Object.entries(applications))('in %s', (_, serverOf) => {
  it('a miss that is stored leaves no request for a full garbage collection', { timeout: 60_000 }, async () => {
    const without = await promotedBy(serverOf(false))
    expect((await promotedBy(serverOf(true))) - without).toBeLessThan(15_000)
  })
})
