import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Asked, send } from '../conformance/client.js'
import { ask } from '../middleware/hosts/client.js'
import { ExampleProcess } from './example-process.js'

let answer: RequestListener = (_req, res) => res.end()
let origin: Server
let proxy: ExampleProcess
let port = 0
let path = 0

beforeAll(async () => {
  origin = createServer((req, res) => answer(req, res))
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  proxy = new ExampleProcess('reverse-proxy.ts', { REDIS_URL: undefined }, [url, '--port', '0'])
  port = Number(/\d+/.exec(await proxy.printed(/port: \d+/))?.[0])
  return async () => {
    await proxy.stop()
    origin.closeAllConnections()
    origin.close()
  }
})

afterEach(() => {
  path += 1
})

const get = (asked: Asked = {}) => send(port, { target: `/${path}`, ...asked })

describe('examples/reverse-proxy.ts', () => {
  it('keeps the bytes and fields of the origin, on a miss and on a hit', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    let runs = 0
    answer = (_req, res) => {
      runs += 1
      res.writeHead(200, 'Fine', [
        ...['Cache-Control', 'max-age=60', 'X-Two', 'b', 'X-Two', 'a', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
        ...['X-Latin', 'caf\u00e9', 'Connection', 'X-Hop', 'X-Hop', 'gone', 'ETag', '"a"'],
      ])
      res.end(bytes)
    }
    for (const status of [/fwd=uri-miss/, /; hit/]) {
      const got = await get()
      expect(got.body).toEqual(bytes)
      const lines = got.lines.filter(([name]) => /^(X-|Set-Cookie|ETag|Via)/.test(name))
      expect(lines).toEqual([
        ['X-Two', 'b'],
        ['X-Two', 'a'],
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['X-Latin', 'caf\u00e9'],
        ['ETag', '"a"'],
        ['Via', '1.1 fallback-cache'],
      ])
      expect(got.field('cache-status')).toMatch(status)
    }
    expect(runs).toBe(1)
  })

  it('sends a request on as it came, but for what is for one connection only', async () => {
    let seen: readonly string[] = []
    answer = (req, res) => {
      seen = req.rawHeaders
      req.pipe(res)
    }
    const got = await get({
      method: 'POST',
      body: 'hello',
      fields: { 'X-Mine': 'a', Connection: 'X-Hop', 'X-Hop': 'b' },
    })
    expect(got.text).toBe('hello')
    expect(seen).toEqual(expect.arrayContaining(['X-Mine', 'a', 'Content-Length', '5', 'Via', '1.1 fallback-cache']))
    expect(seen).not.toContain('X-Hop')
    expect(seen[seen.indexOf('Host') + 1]).toBe(`127.0.0.1:${(origin.address() as AddressInfo).port}`)
  })

  it('streams: the first byte comes before the last is made', async () => {
    let finish = () => {}
    answer = (_req, res) => {
      res.writeHead(200, { 'Cache-Control': 'max-age=60' })
      res.write('first ')
      finish = () => res.end('last')
    }
    const got = await ask(port, `/${path}`, { onFirstByte: () => finish() })
    expect(got.text).toBe('first last')
    expect((await get({ host: `127.0.0.1:${port}` })).field('cache-status')).toMatch(/; hit/)
  })

  it('validates with the origin what is stale', async () => {
    const conditions: unknown[] = []
    answer = (req, res) => {
      conditions.push(req.headers['if-none-match'])
      res.writeHead(conditions.length === 1 ? 200 : 304, { 'Cache-Control': 'no-cache', ETag: '"a"' })
      res.end(conditions.length === 1 ? 'body' : undefined)
    }
    await get()
    const got = await get()
    expect([got.status, got.text]).toEqual([200, 'body'])
    expect(got.field('cache-status')).toMatch(/fwd=stale; fwd-status=304/)
    expect(conditions).toEqual([undefined, '"a"'])
  })

  it('sends what it has when the origin breaks off, and 504 when it has nothing', async () => {
    answer = (_req, res) => res.writeHead(200, { 'Cache-Control': 'max-age=0', ETag: '"a"' }).end('body')
    await get()
    answer = (req) => req.socket.destroy()
    expect((await get()).text).toBe('body')
    expect((await get({ target: '/nothing' })).status).toBe(504)
  })

  it('passes interim responses on', async () => {
    answer = (_req, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload' })
      res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('body')
    }
    expect((await get()).text).toBe('body')
  })
})
