import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { finished } from 'node:stream'
import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache as expressCache } from '../../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../../src/middleware/koa.js'
import { ask } from '../hosts/client.js'

// A handler that makes rows until its client has left, and ends its response with those that it has, is common. However it notices,
// no other client may get the rows of a client that left.

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

type Notice = (req: IncomingMessage, res: ServerResponse) => () => boolean

const looks: Record<string, (req: IncomingMessage, res: ServerResponse) => unknown> = {
  'res.destroyed': (_req, res) => res.destroyed,
  'res.closed': (_req, res) => res.closed,
  'res.writable': (_req, res) => !res.writable,
  'res.socket': (_req, res) => res.socket === null,
  'req.aborted': (req) => req.aborted,
  'req.destroyed': (req) => req.destroyed,
  'req.readableAborted': (req) => req.readableAborted,
  'req.socket.destroyed': (req) => req.socket.destroyed,
  'req.socket.writable': (req) => !req.socket.writable,
  'req.socket.readyState': (req) => req.socket.readyState !== 'open',
}

const listeners: Record<string, (req: IncomingMessage, res: ServerResponse, notice: () => void) => unknown> = {
  'close of the response': (_req, res, notice) => res.on('close', notice),
  'error of the request': (req, _res, notice) => req.on('error', notice),
  'aborted of the request': (req, _res, notice) => req.on('aborted', notice),
  'close of the socket': (req, _res, notice) => req.socket.on('close', notice),
  'end of the socket': (req, _res, notice) => req.socket.on('end', notice),
  'finished()': (_req, res, notice) => finished(res, notice),
}

const notices: Record<string, Notice> = {
  ...Object.fromEntries(Object.entries(looks).map(([what, look]) => [what, (req, res) => () => !!look(req, res)])),
  ...Object.fromEntries(
    Object.entries(listeners).map(([what, listen]): [string, Notice] => [
      what,
      (req, res) => {
        let hasLeft = false
        listen(req, res, () => {
          hasLeft = true
        })
        return () => hasLeft
      },
    ]),
  ),
}

const ROWS = '0,1,2,3,4,5'

async function rows(hasLeft: () => boolean): Promise<string> {
  const made: number[] = []
  for (let row = 0; row < 6 && !hasLeft(); row += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    made.push(row)
  }
  return made.join()
}

const sites: Record<string, (notice: Notice) => RequestListener> = {
  Express: (notice) => {
    const app = express()
    const cached = expressCache({ ttl: 60 })
    open.push(() => cached.close())
    app.use(cached, async (req, res) => void res.send(await rows(notice(req, res))))
    return app
  },
  Koa: (notice) => {
    const app = new Koa()
    app.silent = true
    const cached = koaCache({ ttl: 60 })
    open.push(() => cached.close())
    app.use(cached)
    app.use(async (ctx) => {
      ctx.body = await rows(notice(ctx.req, ctx.res))
    })
    return app.callback()
  },
}

describe('the next client gets all rows, when the one before left, and the handler noticed by', () => {
  for (const [framework, site] of Object.entries(sites)) {
    for (const [what, notice] of Object.entries(notices)) {
      it(`${what}, in ${framework}`, async () => {
        const server = createServer(site(notice))
        await once(server.listen(0, '127.0.0.1'), 'listening')
        open.push(() => server.close())
        const { port } = server.address() as AddressInfo
        const asked = once(server, 'request')
        const leaving = connect(port, '127.0.0.1')
        leaving.write(`GET /rows HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
        await asked
        leaving.destroy()
        await new Promise((resolve) => setTimeout(resolve, 120))
        expect((await ask(port, '/rows')).text).toBe(ROWS)
      })
    }
  }
})
