import { createServer, type IncomingMessage, request as send } from 'node:http'
import { connect, createServer as createServer2, type Http2ServerRequest } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { RequestContent } from '../../../src/http/port/request-content.js'
import { readContent } from '../../../src/middleware/node/request-content.js'

const open: { close(): unknown }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

/** What becomes of one request: what was read ahead, and what `use` makes of the request afterwards. */
function peek<Result>(
  body: string | readonly string[],
  use: (request: IncomingMessage) => Result | Promise<Result>,
  before: (request: IncomingMessage) => unknown = () => {},
): Promise<{ readonly content: RequestContent; readonly used: Result }> {
  return new Promise((resolve, reject) => {
    const server = createServer(async (request, response) => {
      try {
        await before(request)
        const content = await readContent(request, 1000, request as object)
        resolve({ content, used: await use(request) })
      } catch (error) {
        reject(error)
      }
      response.end()
    })
    open.push(server)
    server.listen(0, '127.0.0.1', async () => {
      const outgoing = send({ port: (server.address() as AddressInfo).port, method: 'POST', agent: false })
      outgoing.on('error', () => {})
      if (typeof body === 'string') return void outgoing.end(body)
      for (const piece of body) {
        outgoing.write(piece)
        await new Promise((go) => setTimeout(go, 5))
      }
      outgoing.end()
    })
  })
}

async function iterated(request: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function listened(request: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => resolve(text))
  })
}

async function piped(request: IncomingMessage): Promise<string> {
  const through = new PassThrough()
  const text = iterated(through)
  await pipeline(request, through)
  return text
}

function readByHand(request: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    request.on('readable', () => {
      for (let chunk = request.read(); chunk !== null; chunk = request.read()) chunks.push(chunk)
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString()))
  })
}

async function fetched(request: IncomingMessage): Promise<string> {
  const server = createServer((incoming, response) => incoming.pipe(response))
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const answer = await fetch(url, { method: 'POST', body: request as never, duplex: 'half' } as RequestInit)
  return answer.text()
}

describe('readContent', () => {
  const ways = { iterated, listened, piped, readByHand, fetched }
  for (const [way, use] of Object.entries(ways)) {
    it.each([
      ['in one piece', 'body'],
      ['in pieces', ['bo', 'd', 'y']],
      ['of no bytes, and chunked', []],
      ['not there at all', ''],
    ])(`leaves a body ${'%s'} to be ${way}`, async (_how, body) => {
      const text = [body].flat().join('')
      expect(await peek(body, use)).toEqual({ content: Buffer.from(text), used: text })
    })

    it(`leaves a body that is too large to be ${way}`, async () => {
      const large = ['x'.repeat(900), 'y'.repeat(900), 'z'.repeat(90_000)]
      expect(await peek(large, use)).toEqual({ content: 'too-large', used: large.join('') })
      expect(await peek(large.join(''), use)).toEqual({ content: 'too-large', used: large.join('') })
    })
  }

  it('can be done again, by a cache further in', async () => {
    const { content, used } = await peek(['bo', 'dy'], async (request) => {
      const again = await readContent(request, 1000, {})
      return [String(again), await iterated(request)]
    })
    expect([String(content), used]).toEqual(['body', ['body', 'body']])
  })

  it('leaves a request paused that was', async () => {
    const { content, used } = await peek(
      ['bo', 'dy'],
      (request) => {
        const wasPaused = request.isPaused()
        request.resume()
        return [wasPaused, iterated(request)] as const
      },
      (request) => request.pause(),
    )
    expect([String(content), used[0], await used[1]]).toEqual(['body', true, 'body'])
  })

  it.each<[string, (request: IncomingMessage) => unknown, RequestContent]>([
    ['has read it and kept nothing', iterated, 'consumed'],
    [
      'has made an object of it',
      async (request) => Object.assign(request, { body: JSON.parse(await iterated(request)) }),
      'consumed',
    ],
    ['has begun to read it', (request) => void request.on('data', () => {}), 'consumed'],
    ['wants text', (request) => void request.setEncoding('latin1'), 'consumed'],
    [
      'has kept its bytes',
      async (request) => Object.assign(request, { rawBody: Buffer.from(await iterated(request)), body: {} }),
      Buffer.from('{"a":1}'),
    ],
    [
      'has made a text of it',
      async (request) => Object.assign(request, { body: await iterated(request) }),
      Buffer.from('{"a":1}'),
    ],
    [
      'has made a text of it in another charset',
      async (request) => {
        request.headers['content-type'] = 'text/plain; charset=utf-16'
        Object.assign(request, { body: await iterated(request) })
      },
      'consumed',
    ],
    [
      'has decoded it',
      async (request) => {
        request.headers['content-encoding'] = 'gzip'
        Object.assign(request, { rawBody: Buffer.from(await iterated(request)) })
      },
      'consumed',
    ],
  ])('knows of the body what is left of it when middleware in front %s', async (_what, before, expected) => {
    expect((await peek('{"a":1}', () => {}, before)).content).toEqual(expected)
  })

  it.each([[['bo', 'dy']], [[]]])('reads the body of an HTTP/2 request: %j', async (pieces) => {
    const seen = new Promise((resolve) => {
      const server = createServer2(async (request: Http2ServerRequest, response) => {
        const content = await readContent(request as unknown as IncomingMessage, 1000, {})
        resolve([String(content), await iterated(request as unknown as AsyncIterable<Buffer>)])
        response.end()
      })
      open.push(server)
      server.listen(0, '127.0.0.1', async () => {
        const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
        open.push(session)
        const stream = session.request({ ':method': 'QUERY', ':path': '/' }, { endStream: false })
        for (const piece of pieces) {
          stream.write(piece)
          await new Promise((go) => setTimeout(go, 5))
        }
        stream.end()
      })
    })
    expect(await seen).toEqual([pieces.join(''), pieces.join('')])
  })
})
