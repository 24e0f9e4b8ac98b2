import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express5 from 'express'
import express4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache as expressCache } from '../../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../../src/middleware/koa.js'

// Node.js takes the socket from a request whose body is not read to its end. The response can still be sent.

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const ways: Record<string, (req: IncomingMessage) => Promise<unknown>> = {
  'break in for await': async (req) => {
    for await (const _ of req) break
  },
  'a pipeline that fails': async (req) => {
    const full = new Writable({ write: (_chunk, _encoding, callback) => callback(new Error('full')) })
    await pipeline(req, full).catch(() => undefined)
  },
  'the cancel of a web stream': async (req) => await Readable.toWeb(req).cancel(),
}

const METHODS = ['GET', 'POST', 'QUERY'] as const

type Give = (req: IncomingMessage) => Promise<unknown>
const nothing: Give = async () => undefined

function expressSite(make: typeof express5): (front: Give, handler: Give) => RequestListener {
  return (front, handler) => {
    const app = make()
    const cached = expressCache({ ttl: 60, methods: METHODS })
    open.push(() => cached.close())
    app.use((req, _res, next) => void front(req).then(() => next()))
    app.use(cached)
    app.use((req, res) => void handler(req).then(() => res.end('answer')))
    return app
  }
}

function koaSite(make: typeof Koa): (front: Give, handler: Give) => RequestListener {
  return (front, handler) => {
    const app = new make()
    app.silent = true
    const cached = koaCache({ ttl: 60, methods: METHODS })
    open.push(() => cached.close())
    app.use(async (ctx, next) => {
      await front(ctx.req)
      await next()
    })
    app.use(cached)
    app.use(async (ctx) => {
      await handler(ctx.req)
      ctx.body = 'answer'
    })
    return app.callback()
  }
}

const sites = {
  'Express 5': expressSite(express5),
  'Express 4': expressSite(express4 as unknown as typeof express5),
  'Koa 3': koaSite(Koa),
  'Koa 2': koaSite(Koa2 as unknown as typeof Koa),
}

async function asked(port: number, method: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const content = method === 'GET' ? '\r\n' : 'Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'
  socket.write(`${method} /page HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${content}`)
  let text = ''
  socket.setEncoding('latin1').on('data', (data) => {
    text += data
  })
  await once(socket, 'close')
  return text
}

describe.each(Object.entries(sites))('in %s, the answer arrives after', (_, site) => {
  for (const [what, stop] of Object.entries(ways)) {
    for (const place of ['behind', 'in front of']) {
      it.each(METHODS)(`${what} ${place} the cache, for %s`, async (method) => {
        const isBehind = place === 'behind'
        const server = createServer(site(isBehind ? nothing : stop, isBehind ? stop : nothing))
        await once(server.listen(0, '127.0.0.1'), 'listening')
        open.push(() => server.close())
        const { port } = server.address() as AddressInfo
        for (let time = 0; time < 2; time += 1) {
          const text = await asked(port, method)
          expect(text).toMatch(/^HTTP\/1\.1 200 /)
          expect(text).toMatch(/answer$/)
        }
      })
    }
  }
})
