import { once } from 'node:events'
import { createServer, IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import express5, { type Express, type Request, type Response } from 'express'
import express4 from 'express4'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../../src/middleware/express.js'
import { ask } from '../hosts/client.js'

const open: Server[] = []

afterEach(() => {
  for (const server of open.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

async function listen(server: Server): Promise<number> {
  open.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const matches = Number(process.versions.node.split('.', 1)[0]) < 25

describe.each([
  ['5', express5],
  ['4', express4],
] as const)('the server of Express %s', (_version, create: () => Express) => {
  it(`gives requests and responses ${matches ? 'the prototypes of the application' : 'the usual prototypes'} from the start`, async () => {
    const app = create()
    const cached = fallbackCache({ ttl: 60 })
    app.use(cached)
    app.get('/page', (_req, res) => void res.send('page'))
    const server = cached.serve(app)
    const seen: unknown[] = []
    server.prependListener('request', (req, res) => {
      seen.push(Object.getPrototypeOf(req), Object.getPrototypeOf(res), req.constructor, res.constructor)
      seen.push(req instanceof IncomingMessage, res instanceof ServerResponse)
    })
    await ask(await listen(server), '/page')
    const prototypes = matches ? [app.request, app.response] : [IncomingMessage.prototype, ServerResponse.prototype]
    expect(seen[0]).toBe(prototypes[0])
    expect(seen[1]).toBe(prototypes[1])
    expect(seen.slice(2)).toEqual([IncomingMessage, ServerResponse, true, true])
  })

  it('shows handlers the same request and response as any server', async () => {
    const shown = async (serve: (app: Express, cached: ReturnType<typeof fallbackCache>) => Server) => {
      const app = create()
      const cached = fallbackCache({ ttl: 60 })
      app.use(cached)
      const seen: unknown[] = []
      const look = (req: Request, res: Response) => {
        const own = ({ ...one }: object) =>
          Object.keys(one)
            .filter((name) => name !== '_events')
            .sort()
        seen.push(own(req), own(res), req.constructor.name, res.constructor.name, req.hostname, req.path, req.query)
        seen.push(req.app === app, req.res === res, res.req === req, req.get('Host') === req.headers.host)
        seen.push(Object.getPrototypeOf(req) === app.request, String(req))
        res.status(201).json({ id: req.params.id })
      }
      app.get('/page/:id', look)
      const got = await ask(await listen(serve(app, cached)), '/page/1?a=b')
      return [seen, got.status, got.names, got.text]
    }
    expect(await shown((app, cached) => cached.serve(app))).toEqual(await shown((app) => createServer(app)))
  })

  it('lets a mounted application have prototypes of its own, and puts them back', async () => {
    const app = create()
    const inner = create()
    const cached = fallbackCache({ ttl: 60 })
    const seen: boolean[] = []
    app.use(cached)
    inner.use((req, _res, next) => {
      seen.push(Object.prototype.isPrototypeOf.call(inner.request, req))
      next()
    })
    app.use('/inner', inner)
    app.use((req, res) => {
      seen.push(Object.prototype.isPrototypeOf.call(inner.request, req))
      seen.push(Object.prototype.isPrototypeOf.call(app.request, req))
      // Once the response has been stored, nothing is between them.
      res.once('finish', () => seen.push(Object.getPrototypeOf(req) === app.request))
      res.send('page')
    })
    expect((await ask(await listen(cached.serve(app)), '/inner/page')).text).toBe('page')
    expect(seen).toEqual([true, false, true, true])
  })

  it('takes bodies, and is made by whomever one likes', async () => {
    const app = create()
    const cached = fallbackCache({ ttl: 60 })
    app.use(cached, express5.json())
    app.post('/page', (req, res) => void res.json(req.body))
    const server = cached.serve(app, {
      createServer: (options, listener) => createServer({ ...options, keepAliveTimeout: 1_000 }, listener),
    })
    expect(server.keepAliveTimeout).toBe(1_000)
    const asked = { method: 'POST', fields: { 'content-type': 'application/json' }, body: '{"a":1}' }
    expect((await ask(await listen(server), '/page', asked)).text).toBe('{"a":1}')
  })
})
