import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ChaosProxy } from './chaos-proxy.js'
import { freePort } from './free-port.js'
import { until } from './until.js'

describe('ChaosProxy', () => {
  let echo: Server
  let proxy: ChaosProxy
  let received: string
  const sockets: Socket[] = []

  beforeEach(async () => {
    received = ''
    const port = await freePort()
    echo = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        received += chunk
        socket.write(chunk)
      })
    }).listen(port, '127.0.0.1')
    await once(echo, 'listening')
    proxy = await ChaosProxy.start({ port })
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await proxy.close()
    echo.close()
  })

  it('passes bytes on in both directions', async () => {
    const client = await open()
    client.write('hello')
    expect(await reply(client)).toBe('hello')
    expect(proxy.connections).toBe(1)
    expect(proxy.bytes).toEqual({ up: 5, down: 5 })
  })

  it('delays each direction and keeps the order when the delay ends', async () => {
    const client = await open()
    proxy.delay({ up: 60, down: 40 })
    const start = performance.now()
    client.write('a')
    await sleep(10)
    await proxy.restore()
    client.write('b')
    let text = ''
    while (text.length < 2) text += await reply(client)
    expect(text).toBe('ab')
    expect(performance.now() - start).toBeGreaterThan(55)
  })

  it('passes on so many bytes a second', async () => {
    const client = await open()
    proxy.limitRate(100_000)
    const start = performance.now()
    client.write(Buffer.alloc(10_000, 'x'))
    let length = 0
    while (length < 10_000) length += (await reply(client)).length
    expect(performance.now() - start).toBeGreaterThan(95)
    expect(performance.now() - start).toBeLessThan(1_000)
  })

  it('holds bytes and delivers them afterwards', async () => {
    const client = await open()
    proxy.hold()
    client.write('held')
    await sleep(50)
    expect(received).toBe('')
    await proxy.restore()
    expect(await reply(client)).toBe('held')
  })

  it('loses replies while commands arrive, and resets such a connection when it is restored', async () => {
    const client = await open()
    proxy.dropReplies()
    client.write('lost')
    await sleep(50)
    expect(received).toBe('lost')
    expect(client.bytesRead).toBe(0)
    await proxy.restore()
    await until('the client is closed', () => client.closed)
  })

  it('resets open connections', async () => {
    const client = await open()
    const error = new Promise<NodeJS.ErrnoException>((resolve) => client.once('error', resolve))
    proxy.reset()
    expect((await error).code).toBe('ECONNRESET')
  })

  it('refuses connections, and accepts them again on the same port', async () => {
    await proxy.refuse()
    await expect(open()).rejects.toThrow('ECONNREFUSED')
    await proxy.restore()
    const client = await open()
    client.write('again')
    expect(await reply(client)).toBe('again')
  })

  it('closes what it accepts', async () => {
    proxy.acceptThenClose()
    const client = await open()
    client.resume()
    await until('the client is closed', () => client.closed)
    expect(client.bytesRead).toBe(0)
  })

  it('ends only its own half of a connection', async () => {
    const client = await open()
    const ended = once(client, 'end')
    client.resume()
    proxy.halfClose()
    await ended
  })

  it('cuts a reply after a number of bytes', async () => {
    const client = await open()
    proxy.cutAfter(3)
    client.write('abcdef')
    expect(await reply(client)).toBe('abc')
    await once(client, 'close')
  })

  it('lets a filter decide about each chunk', async () => {
    const client = await open()
    proxy.filter((direction, chunk) => (direction === 'up' && chunk.includes('secret') ? 'drop' : 'pass'))
    client.write('secret')
    await sleep(30)
    client.write('open')
    expect(await reply(client)).toBe('open')
    expect(received).toBe('open')
  })

  async function open(): Promise<Socket> {
    const socket = connect(proxy.port, '127.0.0.1')
    sockets.push(socket)
    await once(socket, 'connect')
    socket.on('error', () => {})
    await sleep(10)
    return socket
  }

  async function reply(socket: Socket): Promise<string> {
    const [chunk] = await once(socket, 'data')
    return String(chunk)
  }
})
