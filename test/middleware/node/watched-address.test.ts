import type { Socket } from 'node:net'
import express from 'express'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../../src/middleware/express.js'
import { ask } from '../hosts/client.js'
import { listen } from '../hosts/listen.js'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

describe('watchAddress', () => {
  it('gives all connections the same functions, so that V8 gives them the same shape', async () => {
    const sockets: Socket[] = []
    const app = express()
    app.use(fallbackCache({ ttl: 60 }), (req, res) => {
      sockets.push(req.socket)
      res.send('page')
    })
    const { port, close } = await listen(app)
    open.push(close)
    for (const path of ['/one', '/other']) await ask(port, path)
    const [one, other] = sockets.map((socket) => Object.getOwnPropertyDescriptor(socket, 'remoteAddress')?.get)
    expect(sockets[0]).not.toBe(sockets[1])
    expect(one).toBeTypeOf('function')
    expect(one).toBe(other)
  })

  it('answers with the address of each connection', async () => {
    const ports: (number | undefined)[] = []
    const app = express()
    app.use(fallbackCache({ ttl: 60 }), (req, res) => res.send(String(ports.push(req.socket.remotePort))))
    const { port, close } = await listen(app)
    open.push(close)
    for (const path of ['/one', '/other']) await ask(port, path)
    expect(new Set(ports).size).toBe(2)
  })
})
