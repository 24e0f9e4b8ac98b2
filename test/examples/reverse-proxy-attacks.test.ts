import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { ExampleProcess } from './example-process.js'

/** What the origin has been sent, connection after connection, and what it answers to what it has. */
let connections: { readonly socket: Socket; text: string }[] = []
let answer: (text: string, socket: Socket) => string | undefined = () => undefined
let port = 0
let path = 0

/** An origin that takes bytes as they come: node's own would refuse what is attacked with, and hide what it was sent. */
beforeAll(async () => {
  const origin = createServer((socket) => {
    const connection = { socket, text: '' }
    connections.push(connection)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      connection.text += chunk.toString('latin1')
      const said = answer(connection.text, socket)
      if (said !== undefined && !socket.destroyed) socket.write(said, 'latin1')
    })
  })
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  const proxy = new ExampleProcess('reverse-proxy.ts', { REDIS_URL: undefined }, [
    ...[url, '--port', '0', '--host', '127.0.0.1', '--timeout', '2000'],
  ])
  port = Number(/\d+/.exec(await proxy.printed(/port: \d+/))?.[0])
  return async () => {
    await proxy.stop()
    for (const { socket } of connections) socket.destroy()
    origin.close()
  }
})

beforeEach(() => {
  for (const { socket } of connections) socket.destroy()
  connections = []
  path += 1
})

const OK = 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nbody'

/** Says so once the head of a request is there, once for each. */
const saying = (said: string) => (text: string) => (text.endsWith('\r\n\r\n') ? said : undefined)

/** One request on a connection of its own: all that came back until the connection was closed, or until `enough`. */
function exchange(bytes: string, enough: (got: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let got = ''
    const end = () => {
      socket.destroy()
      resolve(got)
    }
    socket.setEncoding('latin1')
    socket.setTimeout(4_000, end)
    socket.on('data', (chunk) => {
      got += chunk
      if (enough(got)) end()
    })
    socket.on('error', end).on('close', end)
    socket.write(bytes, 'latin1')
  })
}

const request = (head: readonly string[], body = '') => `${head.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`
const get = (target = `/${path}`) => exchange(request([`GET ${target} HTTP/1.1`, 'Host: a']))
const seen = () => connections.map(({ text }) => text).join('')

/** After an attack, others get what is theirs. */
async function isUnharmed(): Promise<void> {
  answer = (text) => {
    const asked = /GET (\S+-later) HTTP/.exec(text.slice(text.lastIndexOf('GET ')))?.[1]
    if (asked === undefined || !text.endsWith('\r\n\r\n')) return undefined
    return `HTTP/1.1 200 OK\r\nContent-Length: ${asked.length}\r\n\r\n${asked}`
  }
  expect(await get(`/${path}-later`)).toMatch(new RegExp(`\r\n\r\n/${path}-later$`))
}

describe('the reverse proxy and a request that', () => {
  const inner = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  const chunks = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`

  /** Whether one request with that content, and nothing else, has come to the origin. */
  function isOneRequest(text: string): boolean {
    const [head = '', ...rest] = text.split('\r\n\r\n')
    const body = rest.join('\r\n\r\n')
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
    const isChunked = /\r\ntransfer-encoding: chunked/i.test(head)
    if (length !== undefined) return !isChunked && body === inner && Number(length) === inner.length
    return isChunked && body === chunks
  }

  for (const method of ['GET', 'DELETE', 'OPTIONS', 'POST']) {
    for (const named of [
      ...['close', 'Content-Length', 'transfer-encoding', 'Content-Length, Transfer-Encoding', 'Host'],
      ...[' ,content-length;q=1, content-length', 'keep-alive\r\nConnection: content-length'],
    ]) {
      for (const [framing, body] of [
        [`Content-Length: ${inner.length}`, inner],
        ['Transfer-Encoding: chunked', chunks],
      ] as const) {
        it(`is a ${method} with "${framing}" and "Connection: ${named.trim()}" comes with its body, and as one`, async () => {
          answer = (text) => (isOneRequest(text) ? OK : undefined)
          const head = [`${method} /${path} HTTP/1.1`, 'Host: a', framing, `Connection: ${named}`]
          const got = await exchange(request(head, body), (text) => text.includes('body'))
          expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
          expect(connections).toHaveLength(1)
          await isUnharmed()
        })
      }
    }
  }

  it.each([
    ['a length and chunks', ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 4', 'Transfer-Encoding: chunked'], 400],
    ['chunks and a length', ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Content-Length: 4'], 400],
    ['two lengths', ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 4', 'Content-Length: 5'], 400],
    ['a length that is none', ['POST / HTTP/1.1', 'Host: a', 'Content-Length: +4'], 400],
    ['chunks in HTTP/1.0', ['POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked'], 400],
    ['a coding before the chunks', ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: gzip, chunked'], 501],
    ['a coding after the chunks', ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked, gzip'], 400],
    ['an unknown coding', ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: xchunked'], 501],
    ['a space before the colon', ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding : chunked'], 400],
    ['userinfo in its target', ['GET http://evil@a/ HTTP/1.1', 'Host: a'], 400],
    ['userinfo in its Host', ['GET / HTTP/1.1', 'Host: evil@a'], 400],
    ['two hosts', ['GET / HTTP/1.1', 'Host: a', 'Host: a'], 400],
    ['two hosts in one line', ['GET / HTTP/1.1', 'Host: a, evil'], 400],
    ['a path in its Host', ['GET / HTTP/1.1', 'Host: a/evil'], 400],
    ['markup in its Host', ['GET / HTTP/1.1', 'Host: a"><script>'], 400],
    ['no host to go on to', ['OPTIONS * HTTP/1.1', 'Host: a', 'Max-Forwards: 0'], 200],
    ['no host to be traced to', ['TRACE / HTTP/1.1', 'Host: a', 'Max-Forwards: 0'], 501],
    ['an expectation that nothing meets', ['POST / HTTP/1.1', 'Host: a', 'Expect: more', 'Content-Length: 0'], 417],
  ])('has %s is answered by the proxy, and the origin hears nothing of it', async (_what, head, status) => {
    answer = saying(OK)
    // Behind a request that announces no body, one would be a second request, and refused as such.
    const body = /\b(?:Content-Length|Transfer-Encoding)\b/.test(head.join()) ? chunks : ''
    expect(await exchange(request(head, body), (text) => text.includes('\r\n\r\n'))).toMatch(
      new RegExp(`^HTTP/1\\.1 ${status} `),
    )
    expect(seen()).toBe('')
    await isUnharmed()
  })

  it.each([
    ['GET', `Content-Length: ${inner.length}`, inner],
    ['DELETE', 'Transfer-Encoding: chunked', chunks],
    ['HEAD', `Content-Length: ${inner.length}`, inner],
  ])('is a %s with "%s" behind 2,000 other fields comes as one', async (method, framing, body) => {
    answer = (text) => (isOneRequest(text) ? OK.replace(/body$/, method === 'HEAD' ? '' : 'body') : undefined)
    const head = [`${method} /${path} HTTP/1.1`, 'Host: a', ...Array<string>(2000).fill('a:b'), framing]
    expect(await exchange(request(head, body))).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(connections.map(({ text }) => isOneRequest(text))).toEqual([true])
    await isUnharmed()
  })

  it('counts its hosts has one less to go', async () => {
    answer = saying(OK)
    for (const count of ['7', '0010', '9'.repeat(400)])
      await exchange(request(['OPTIONS * HTTP/1.1', 'Host: a', `Max-Forwards: ${count}`]))
    await exchange(request([`GET /${path} HTTP/1.1`, 'Host: a', 'Max-Forwards: 0']))
    expect(seen().match(/(?<=\r\nMax-Forwards: )\w+/gi)).toEqual(['6', '9', '255', '0'])
  })

  it('hides a field from the origin hides it from the cache', async () => {
    answer = (text) => {
      if (!text.endsWith('\r\n\r\n')) return undefined
      const asked = text.slice(text.lastIndexOf('GET '))
      const made = ['Accept-Language', 'Cookie', 'Authorization'].map(
        (name) => new RegExp(`\r\n${name}: ([^\r]*)`, 'i').exec(asked)?.[1] ?? '-',
      )
      const body = made.join(' ')
      const head = `HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language, Cookie, Authorization`
      return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    }
    for (const field of ['Accept-Language: de', 'Cookie: theme=dark', 'Authorization: Basic YTpi']) {
      const [name = '', value = ''] = field.split(': ')
      const target = `/${path}-${name}`
      for (const spelling of [name, name.toLowerCase(), `keep-alive,${name.toUpperCase()}`, `x, ${name} ,`]) {
        const head = [`GET ${target} HTTP/1.1`, 'Host: a', `Connection: ${spelling}`, field]
        expect(await exchange(request(head))).toMatch(/\r\n\r\n- - -$/)
      }
      expect(await exchange(request([`GET ${target} HTTP/1.1`, 'Host: a', field]))).toContain(`${value}`)
    }
  })

  it('names by Connection what tells where it comes from is told by the proxy', async () => {
    answer = saying(OK)
    const named = 'X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via, X-Real'
    const fields = ['X-Forwarded-For: 1.2.3.4', 'X-Forwarded-Host: evil', 'Via: 1.1 evil', 'X-Real: evil']
    await exchange(request([`GET /${path} HTTP/1.1`, 'Host: a', `Connection: ${named}`, ...fields]))
    const text = seen()
    expect(text).not.toMatch(/evil|1\.2\.3\.4/)
    expect(text).toMatch(/\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/i)
    expect(text).toMatch(/\r\nX-Forwarded-Host: a\r\n/i)
    expect(text).toMatch(/\r\nVia: 1\.1 fallback-cache\r\n/i)
  })

  it('asks for another protocol gets an answer in this one', async () => {
    answer = saying(OK)
    const key = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']
    const fields = ['Upgrade: websocket', 'Connection: Upgrade', 'Keep-Alive: timeout=5', 'TE: trailers', ...key]
    const got = await exchange(`${[`GET /${path} HTTP/1.1`, 'Host: a', ...fields].join('\r\n')}\r\n\r\n`, (text) =>
      text.includes('body'),
    )
    expect(got).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(seen()).not.toMatch(/\r\n(?:Upgrade|Keep-Alive|TE|Proxy-Connection):/i)
  })

  it('speaks HTTP/1.0 gets what it understands, and may keep its connection', async () => {
    answer = saying('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n')
    const got = await exchange(
      `GET /${path} HTTP/1.0\r\nConnection: keep-alive\r\nProxy-Connection: keep-alive\r\n\r\n`,
    )
    expect(got).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nbody$/)
    expect(got).not.toMatch(/Transfer-Encoding/i)
  })

  it('is still being sent when its answer comes gets the answer, and ends its body', async () => {
    answer = (text) => (text.includes('first') && !text.includes('rest') ? OK.replace('200 OK', '413 No') : undefined)
    const socket = connect(port, '127.0.0.1')
    let got = ''
    socket.setEncoding('latin1').on('data', (chunk) => {
      got += chunk
    })
    socket.write(`POST /${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\nfirst`)
    await until('the answer to come before the body has ended', () => /^HTTP\/1\.1 413 No[\s\S]*body$/.test(got))
    socket.write(`rest${'x'.repeat(2_000_000 - 9)}`)
    socket.write(`GET /${path}-next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    answer = (text) => (text.includes('-next') ? OK : undefined)
    await once(socket, 'close')
    expect(got.match(/HTTP\/1\.1 (?:200|413)/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200'])
  })

  it('waits for 100 gets it, and its body comes to the origin without the expectation', async () => {
    answer = (text) => (text.endsWith('hello') ? OK : undefined)
    const socket = connect(port, '127.0.0.1')
    socket.setEncoding('latin1')
    socket.write(`PUT /${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`)
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 100 /)
    socket.write('hello')
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 OK/)
    socket.destroy()
    expect(seen()).not.toMatch(/Expect:/i)
  })
})

describe('the reverse proxy and an origin that', () => {
  const chunked = 'Transfer-Encoding: chunked\r\n'

  it.each([
    ['HTTP/1.1 099 Odd\r\nContent-Length: 1\r\n\r\na', 502],
    ['HTTP/1.1 000 None\r\nContent-Length: 1\r\n\r\na', 502],
    ['HTTP/1.1 1000 More\r\nContent-Length: 1\r\n\r\na', 502],
    ['HTTP/1.1 -1 Less\r\nContent-Length: 1\r\n\r\na', 502],
    ['HTTP/1.1 OK\r\nContent-Length: 1\r\n\r\na', 502],
    ['HTTP/1.1 200 a\u0001b\r\nContent-Length: 1\r\n\r\na', 502],
    ['HTTP/1.1 200 a\u007fb\r\nContent-Length: 1\r\n\r\na', 502],
    ['HTTP/3.7 200 OK\r\nContent-Length: 1\r\n\r\na', 502],
    ['ICY 200 OK\r\nContent-Length: 1\r\n\r\na', 502],
    ['\r\n\r\n\r\n', 502],
    ['<html>an answer of HTTP/0.9</html>\r\n', 502],
    ['HTTP/0.9 200 OK\r\n\r\na', 502],
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nx', 502],
    ['HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody', 502],
    ['HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody', 502],
    ['HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\nbody', 502],
    [`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n${chunked}\r\n4\r\nbody\r\n0\r\n\r\n`, 502],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n', 502],
    ['HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nX-\u0000: c\r\n\r\n', 502],
    ['HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 1\r\n\r\na', 502],
    [`HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(100_000)}\r\n\r\n`, 502],
    ['HTTP/1.1 999 Own\r\nContent-Length: 1\r\n\r\na', 999],
    ['HTTP/1.1 600\r\nContent-Length: 1\r\n\r\na', 600],
    ['HTTP/1.0 200 OK\r\n\r\na', 200],
  ])('says %j lives on', async (said, status) => {
    answer = (text, socket) => {
      if (!text.endsWith('\r\n\r\n')) return undefined
      socket.end(said, 'latin1')
      return undefined
    }
    expect(await get()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    await isUnharmed()
  })

  it('names fields by Connection has them taken away, but for those that decide for whom the answer is', async () => {
    const own =
      'Cache-Control: private\r\nVary: X-A\r\nSet-Cookie: a=1\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: x'
    const named = 'Connection: X-Hop, Cache-Control, Vary, Set-Cookie, Content-Length'
    answer = saying(`HTTP/1.1 200 OK\r\n${own}\r\n${named}\r\nContent-Length: 4\r\n\r\nbody`)
    const got = await get()
    expect(got).toMatch(/\r\nCache-Control: private\r\nVary: X-A\r\nSet-Cookie: a=1\r\n/)
    expect(got).not.toMatch(/X-Hop|Keep-Alive|Proxy-Authenticate/)
    expect(got).toMatch(/\r\n\r\nbody$/)
  })

  it('sends two answers to one request has the first one taken, and the second reaches no client', async () => {
    const second = 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nevil'
    for (const wait of [0, 30]) {
      answer = (text, socket) => {
        if (!text.endsWith('\r\n\r\n')) return undefined
        if (wait === 0) return OK + second
        setTimeout(() => socket.write(second), wait)
        return OK
      }
      expect(await get(`/${path}-${wait}`)).toMatch(/\r\n\r\nbody$/)
      await new Promise((resolve) => setTimeout(resolve, 100))
      answer = saying(OK)
      for (const later of [1, 2, 3]) expect(await get(`/${path}-${wait}-${later}`)).toMatch(/\r\n\r\nbody$/)
    }
  })

  it.each([
    ['announces more than it sends', 'Content-Length: 40\r\n\r\nhalf'],
    ['breaks off between chunks', `${chunked}\r\n4\r\nhalf\r\n`],
    ['breaks off within a chunk', `${chunked}\r\n40\r\nhalf`],
    ['sends a chunk that is none', `${chunked}\r\n4\r\nhalf\r\nzz\r\n`],
  ])('%s has nothing of it stored, and its client is told', async (_what, rest) => {
    answer = (text, socket) => {
      if (text.endsWith('\r\n\r\n')) socket.end(`HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n${rest}`, 'latin1')
      return undefined
    }
    const got = await get()
    expect(got).toMatch(/^(?:HTTP\/1\.1 (?:200|502) |$)/)
    // Neither as many bytes as announced, nor a last chunk.
    expect(got).not.toMatch(/\r\n0\r\n\r\n$/)
    answer = saying(OK)
    expect(await get()).toMatch(/fwd=uri-miss[\s\S]*\r\n\r\nbody$/)
  })

  it('is reset in the middle of a body has nothing of it stored', async () => {
    answer = (text, socket) => {
      if (!text.endsWith('\r\n\r\n')) return undefined
      setTimeout(() => socket.resetAndDestroy(), 50)
      return 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nhalf'
    }
    await get()
    answer = saying(OK)
    expect(await get()).toMatch(/\r\n\r\nbody$/)
  })

  it('sends interim responses of all kinds is waited for', async () => {
    const interim = [
      '100 Continue',
      '102 Processing',
      '103 Early Hints\r\nLink: </a>; rel=preload',
      '110 Own',
      '199 Own',
    ]
    answer = saying(interim.map((one) => `HTTP/1.1 ${one}\r\n\r\n`).join('') + OK)
    const got = await get()
    expect(got.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 102', 'HTTP/1.1 103', 'HTTP/1.1 200'])
    expect(got).toMatch(/\r\nLink: <\/a>; rel=preload\r\n/)
    expect(await get()).toMatch(/; hit;/)
  })

  it('sends more fields than node reads is not half understood', async () => {
    answer = saying(OK.replace('Cache-Control', `${'A: b\r\n'.repeat(1100)}Cache-Control: private\r\nX`))
    expect(await get()).toMatch(/^HTTP\/1\.1 502 /)
  })

  it('announces a body where none may be does not have the client look for it', async () => {
    const framing = 'Content-Length: 4\r\nConnection: X-Hop\r\nX-Hop: 1'
    for (const more of ['', chunked]) {
      const hint = `HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nX-A: b\r\n${more || framing}\r\n\r\n`
      answer = saying(`${hint.replace('\r\n\r\n\r\n', '\r\n\r\n')}HTTP/1.1 204 No Content\r\n${framing}\r\n\r\n`)
      const got = await get(`/${path}-${more.length}`)
      expect(got).toMatch(/^HTTP\/1\.1 103 [\s\S]*\r\nx-a: b\r\n\r\nHTTP\/1\.1 204 /i)
      expect(got).not.toMatch(/Content-Length|Transfer-Encoding|X-Hop/i)
    }
  })

  it('answers and stops reading while a body is sent', async () => {
    answer = (text, socket) => {
      if (!text.includes('first')) return undefined
      socket.pause()
      return OK.replace('200 OK', '403 No')
    }
    const got = await exchange(
      request([`POST /${path} HTTP/1.1`, 'Host: a', 'Content-Length: 4000000'], `first${'x'.repeat(4_000_000 - 5)}`),
    )
    expect(got).toMatch(/^HTTP\/1\.1 403 No[\s\S]*body$/)
    await isUnharmed()
  })
})
