import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { lines, raw } from '../attacks/raw.js'
import { type Asked, send } from '../conformance/client.js'
import { ask } from '../middleware/hosts/client.js'
import { until } from '../support/until.js'
import { ExampleProcess } from './example-process.js'

let answer: RequestListener = (_req, res) => res.end()
let origin: Server
let proxy: ExampleProcess
let port = 0
let path = 0

beforeAll(async () => {
  origin = createServer({ maxHeaderSize: 2 ** 16 }, (req, res) => answer(req, res))
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  proxy = new ExampleProcess('reverse-proxy.ts', { REDIS_URL: undefined }, [
    ...[url, '--port', '0', '--host', '127.0.0.1', '--timeout', '1000'],
  ])
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
    let seen: IncomingMessage['headers'] = {}
    answer = (req, res) => {
      seen = req.headers
      req.pipe(res)
    }
    const got = await get({
      method: 'POST',
      body: 'hello',
      fields: { 'X-Mine': 'a', Connection: 'X-Hop', 'X-Hop': 'b' },
    })
    expect(got.text).toBe('hello')
    expect(seen).toMatchObject({ 'x-mine': 'a', 'content-length': '5', via: '1.1 fallback-cache' })
    expect(seen).not.toHaveProperty('x-hop')
    expect(seen.host).toBe(`127.0.0.1:${(origin.address() as AddressInfo).port}`)
  })

  it.each(['GET', 'DELETE', 'POST'])(
    'sends a body of %s on as a body, for any fields that Connection names',
    async (method) => {
      const seen: unknown[] = []
      answer = async (req, res) => {
        seen.push(`${req.method} ${req.url} ${await text(req)}`)
        res.setHeader('Cache-Control', 'max-age=60').end(`for ${req.url}`)
      }
      const inner = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
      for (const named of ['Content-Length', 'close, content-length', 'transfer-encoding', 'content-length, Host']) {
        const fields = [`Host: a`, `Content-Length: ${inner.length}`, `Connection: ${named}`]
        await raw(
          port,
          `${[`${method} /${path} HTTP/1.1`, ...fields].join('\r\n')}\r\nConnection: close\r\n\r\n${inner}`,
        )
        expect((await get({ target: `/${path}/next` })).text).toBe(`for /${path}/next`)
      }
      expect(new Set(seen)).toEqual(new Set([`${method} /${path} ${inner}`, `GET /${path}/next `]))
    },
  )

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

  it('sends what it has when the origin breaks off, and 502 when it has nothing', async () => {
    answer = (_req, res) => res.writeHead(200, { 'Cache-Control': 'max-age=0', ETag: '"a"' }).end('body')
    await get()
    answer = (req) => req.socket.destroy()
    expect((await get()).text).toBe('body')
    expect((await get({ target: '/nothing' })).status).toBe(502)
  })

  it('sends what it has when the origin takes too long, and 504 when it has nothing', async () => {
    answer = (_req, res) => res.writeHead(200, { 'Cache-Control': 'max-age=0', ETag: '"a"' }).end('body')
    await get()
    answer = () => {}
    expect((await get()).text).toBe('body')
    const late = await get({ target: '/nothing' })
    expect([late.status, late.text]).toEqual([504, 'Gateway Timeout\n'])
  })

  it('breaks off where the origin breaks off, and stores nothing of it', async () => {
    for (const head of [{}, { 'Content-Length': 100 }]) {
      answer = (_req, res) => {
        res.writeHead(200, { 'Cache-Control': 'max-age=60', ...head })
        res.write('half', () => res.destroy())
      }
      expect((await get()).complete).toBe(false)
      // No end in sight: the same as no end.
      answer = (_req, res) => res.writeHead(200, { 'Cache-Control': 'max-age=60', ...head }).write('half')
      expect((await get()).complete).toBe(false)
      answer = (_req, res) => res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('whole')
      expect((await get()).text).toBe('whole')
      path += 1
    }
  })

  it('takes of a response what its Content-Length announces, and nothing beyond', async () => {
    answer = (_req, res) =>
      res.writeHead(200, { 'Cache-Control': 'max-age=60', 'Content-Length': 5 }).end('hello, world')
    for (const status of [/fwd=uri-miss/, /; hit/]) {
      const got = await get()
      expect([got.status, got.text, got.complete]).toEqual([200, 'hello', true])
      expect(got.field('cache-status')).toMatch(status)
    }
  })

  it('passes interim responses on', async () => {
    answer = (_req, res) => {
      res.writeProcessing()
      res.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.css>; rel=preload'], 'x-mine': 'a' })
      res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('body')
    }
    const outgoing = request({ port, path: `/${path}`, agent: false }).end()
    const interim: unknown[] = []
    outgoing.on('information', ({ statusCode, headers }) => interim.push([statusCode, headers]))
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    expect([incoming.statusCode, await text(incoming)]).toEqual([200, 'body'])
    expect(interim).toEqual([
      [102, {}],
      [103, { link: '</a.css>; rel=preload, </b.css>; rel=preload', 'x-mine': 'a' }],
    ])
    expect((await get({ host: `localhost:${port}` })).field('cache-status')).toMatch(/; hit/)
  })

  it('sends each field of a request once, with the lines that repeat joined in their order (RFC 9110, section 5.3)', async () => {
    let seen: readonly string[] = []
    answer = (req, res) => {
      seen = req.rawHeaders.map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text))
      res.end()
    }
    await get({
      fields: {
        'x-LOWER': '1',
        Cookie: ['a=1', 'b=2'],
        'X-Two': ['b', 'a'],
        Accept: ['x/y', 'z/*'],
        'X-Latin': 'caf\u00e9',
      },
    })
    const from = seen.indexOf('x-lower')
    expect(seen.slice(from, from + 10)).toEqual([
      ...['x-lower', '1', 'cookie', 'a=1; b=2', 'x-two', 'b, a', 'accept', 'x/y, z/*', 'x-latin', 'caf\u00e9'],
    ])
  })

  it('does not store a response for the first of two User-Agents that was made for the second', async () => {
    answer = (req, res) => {
      const agents = req.rawHeaders.filter((_, at) => req.rawHeaders[at - 1]?.toLowerCase() === 'user-agent')
      res.writeHead(200, { 'Cache-Control': 'max-age=60', Vary: 'User-Agent' }).end(`for ${agents.at(-1)}`)
    }
    await get({ fields: { 'User-Agent': ['desktop', 'phone'], 'X-Two': ['a', 'a'] } })
    expect((await get({ fields: { 'User-Agent': 'desktop' } })).text).toBe('for desktop')
  })

  it('says for whom it asks, and appends itself to Via', async () => {
    let seen: IncomingMessage['headers'] = {}
    answer = (req, res) => {
      seen = req.headers
      res.setHeader('Via', '1.0 other').end()
    }
    const fields = { Via: '1.1 first', 'X-Forwarded-For': '10.0.0.1', 'X-Forwarded-Host': 'evil.test' }
    const got = await get({ fields })
    expect(seen).toMatchObject({
      'x-forwarded-for': '10.0.0.1, 127.0.0.1',
      'x-forwarded-host': 'cache.test',
      'x-forwarded-proto': 'http',
      via: '1.1 first, 1.1 fallback-cache',
    })
    expect(got.field('via')).toBe('1.0 other, 1.1 fallback-cache')
  })

  it.each([201, 206, 226, 299, 302, 399, 405, 418, 451, 499, 500, 511, 599])(
    'passes status %i on, with its reason',
    async (status) => {
      answer = (_req, res) => res.writeHead(status, 'As It Is', { 'Content-Range': 'bytes 0-3/4' }).end('body')
      const got = await raw(port, lines(`GET /${path} HTTP/1.1`, 'Host: a'))
      expect(got).toMatch(new RegExp(`^HTTP/1.1 ${status} As It Is\r\n`))
      expect(got).toContain('body')
    },
  )

  it.each(['GET', 'HEAD'])('passes answers without a body on: %s', async (method) => {
    for (const status of [204, 304]) {
      answer = (_req, res) => res.writeHead(status, { ETag: '"a"' }).end()
      const fields = status === 304 ? { 'If-None-Match': '"a"' } : {}
      const got = await get({ method, target: `/${path}-${status}`, fields })
      expect([got.status, got.text, got.field('etag')]).toEqual([status, '', '"a"'])
    }
    answer = (_req, res) => res.writeHead(200, { 'Content-Length': 4 }).end('body')
    const got = await get({ method, target: `/${path}-200` })
    expect([got.field('content-length'), got.text]).toEqual(['4', method === 'GET' ? 'body' : ''])
  })

  it('takes a target in absolute form for what it names, on a miss and on a hit', async () => {
    const seen: unknown[] = []
    answer = (req, res) => {
      seen.push(req.url)
      res.setHeader('Cache-Control', 'max-age=60').end('body')
    }
    await get({ target: `http://cache.test/${path}?a`, host: 'other.test' })
    expect((await get({ target: `/${path}?a` })).field('cache-status')).toMatch(/; hit/)
    expect((await get({ target: `/${path}?a`, host: 'other.test' })).field('cache-status')).toMatch(/fwd/)
    await get({ target: 'http://cache.test?q' })
    expect(seen).toEqual([`/${path}?a`, `/${path}?a`, '/?q'])
  })

  it('takes large heads both ways', async () => {
    const large = 'x'.repeat(30_000)
    answer = (req, res) => res.setHeader('X-Large', String(req.headers['x-large'])).end()
    expect((await get({ fields: { 'X-Large': large } })).field('x-large')).toBe(large)
  })

  it('streams what a client sends, chunked or not, and asks for it when it waits for 100', async () => {
    answer = async (req, res) => {
      res.setHeader('X-Length', String(req.headers['content-length'] ?? req.headers['transfer-encoding']))
      res.end(`got ${await text(req)}`)
    }
    const chunked = await raw(
      port,
      Buffer.concat([
        lines(`POST /${path} HTTP/1.1`, 'Host: a', 'Transfer-Encoding: chunked'),
        Buffer.from('5\r\nhello\r\n0\r\n\r\n'),
      ]),
    )
    expect(chunked).toMatch(/^HTTP\/1\.1 200[\s\S]*X-Length: chunked[\s\S]*got hello/)
    const outgoing = request({
      ...{ port, method: 'PUT', agent: false, headers: { Expect: '100-continue', 'Content-Length': 5 } },
    })
    outgoing.flushHeaders()
    await once(outgoing, 'continue')
    outgoing.end('hello')
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    expect([incoming.headers['x-length'], await text(incoming)]).toEqual(['5', 'got hello'])
  })

  it('answers a request to change the protocol in the one it has', async () => {
    let seen: IncomingMessage['headers'] = {}
    answer = (req, res) => {
      seen = req.headers
      res.end('body')
    }
    const fields = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'a', TE: 'trailers' }
    const got = await raw(
      port,
      `${[`GET /${path} HTTP/1.1`, 'Host: a', ...Object.entries(fields).map((line) => line.join(': ')), 'Connection: close'].join('\r\n')}\r\n\r\n`,
    )
    expect(got).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*body/)
    expect(Object.keys(seen)).not.toEqual(expect.arrayContaining(['upgrade']))
    expect(seen).not.toHaveProperty('http2-settings')
    expect(seen).not.toHaveProperty('te')
  })

  it('answers HTTP/1.0 without chunks, and keeps no connection', async () => {
    answer = (_req, res) => {
      res.write('bo')
      res.end('dy')
    }
    const got = await raw(port, `GET /${path} HTTP/1.0\r\n\r\n`)
    expect(got).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(got).not.toMatch(/chunked/i)
    expect(got).toMatch(/\r\n\r\nbody$/)
  })

  it('lets go of the origin when its client leaves', async () => {
    let gone = 0
    answer = (_req, res) => {
      res.once('close', () => {
        gone += 1
      })
      res.write('first')
    }
    const leaving = new AbortController()
    const left = ask(port, `/${path}`, { signal: leaving.signal, onFirstByte: () => leaving.abort() })
    await left.catch(() => undefined)
    await until('the origin to be let go', () => gone === 1)
  })

  it('asks over connections that it keeps, and once more when such a one has just been closed', async () => {
    const ports = new Set<unknown>()
    let asked = 0
    answer = (req, res) => {
      ports.add(req.socket.remotePort)
      asked += 1
      if (asked === 4) return req.socket.destroy()
      return res.setHeader('Cache-Control', 'no-store').end('body')
    }
    for (let round = 0; round < 3; round++) await get()
    expect(ports.size).toBe(1)
    expect((await get()).status).toBe(200)
    expect([asked, ports.size]).toEqual([5, 2])
    const lost = await get({ method: 'POST' })
    expect(lost.status).toBe(200)
  })
})

describe('examples/reverse-proxy.ts in front of an origin that', () => {
  let bytes = ''
  let at = 0
  beforeAll(async () => {
    const sockets = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(bytes, 'latin1'))
    })
    sockets.listen(0, '127.0.0.1')
    await once(sockets, 'listening')
    const url = `http://127.0.0.1:${(sockets.address() as AddressInfo).port}`
    const own = new ExampleProcess('reverse-proxy.ts', { REDIS_URL: undefined, PORT: '0' }, [url])
    at = Number(/\d+/.exec(await own.printed(/port: \d+/))?.[0])
    return async () => {
      await own.stop()
      sockets.close()
    }
  })

  it.each([
    ['speaks nonsense', 'nonsense\r\n\r\n', /^HTTP\/1\.1 502 /],
    ['says nothing', '', /^HTTP\/1\.1 502 /],
    ['sends no name of a field', 'HTTP/1.1 200 OK\r\nno field\r\n\r\nx', /^HTTP\/1\.1 502 /],
    ['sends a control character', 'HTTP/1.1 200 OK\r\nX-A: a\u0001b\r\n\r\nx', /^HTTP\/1\.1 502 /],
    [
      'changes the protocol unasked',
      'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      /^HTTP\/1\.1 502 /,
    ],
    [
      'speaks HTTP/1.0 and closes',
      'HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nbody',
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*X-A: b\r\n[\s\S]*body/,
    ],
    ['has no clock', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody', /\r\nDate: [\s\S]*\r\n\r\nbody$/],
    ['has no reason', 'HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n', /^HTTP\/1\.1 599 unknown\r\n/],
    ['has no space before values', 'HTTP/1.1 200 OK\r\nX-A:b\r\nContent-Length:0\r\n\r\n', /\r\nX-A: b\r\n/],
    [
      'sends bytes above 0x7f',
      'HTTP/1.1 200 caf\u00e9\r\nX-A: caf\u00e9\r\nContent-Length: 0\r\n\r\n',
      /^HTTP\/1\.1 200 caf\u00e9\r\n[\s\S]*X-A: caf\u00e9\r\n/,
    ],
    [
      'sends trailers',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n4\r\nbody\r\n0\r\nX-T: a\r\n\r\n',
      /\r\nbody\r\n0\r\n\r\n$/,
    ],
  ])('%s', async (what, sent, expected) => {
    bytes = sent
    expect(await raw(at, lines(`GET /${what.replaceAll(' ', '-')} HTTP/1.1`, 'Host: a'))).toMatch(expected)
  })

  it('is not there is a 502, and its end is no end of the proxy, which ends when it is told to', async () => {
    const own = new ExampleProcess('reverse-proxy.ts', { REDIS_URL: undefined, PORT: '0' }, ['http://127.0.0.1:1'])
    const nowhere = Number(/\d+/.exec(await own.printed(/port: \d+/))?.[0])
    for (let asked = 0; asked < 2; asked++) expect((await send(nowhere, {})).status).toBe(502)
    expect((await own.stop()).code).toBe(0)
  })
})

describe('examples/reverse-proxy.ts', () => {
  it('answers what it was asked before it ends', async () => {
    let finish = () => {}
    answer = (_req, res) => {
      res.write('first ')
      finish = () => res.end('last')
    }
    const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
    const own = new ExampleProcess('reverse-proxy.ts', { REDIS_URL: undefined }, [url, '--port', '0'])
    const at = Number(/\d+/.exec(await own.printed(/port: \d+/))?.[0])
    let ended: ReturnType<ExampleProcess['stop']> | undefined
    const got = await ask(at, '/', {
      onFirstByte: () => {
        ended = own.stop()
        setTimeout(() => finish(), 50)
      },
    })
    expect(got.text).toBe('first last')
    expect((await ended)?.code).toBe(0)
  })

  it('says how it is used', async () => {
    const { code, output } = await new ExampleProcess('reverse-proxy.ts').ended()
    expect([code, output.startsWith('Usage: npx tsx examples/reverse-proxy.ts <origin URL>')]).toEqual([2, true])
  })

  it('fits on four screens', () => {
    const file = new URL('../../examples/reverse-proxy.ts', import.meta.url)
    expect(readFileSync(file, 'utf8').split('\n').length).toBeLessThan(200)
  })
})
