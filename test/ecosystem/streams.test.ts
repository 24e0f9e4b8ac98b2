import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, pipeline, Readable } from 'node:stream'
import type { RequestHandler, Response } from 'express'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()
const text = 'line\n'.repeat(20_000)
const slices = () => Readable.from(Array.from({ length: 20 }, (_, at) => text.slice(at * 5000, (at + 1) * 5000)))

/** An origin behind the application, which the test answers. */
let origins: Server[] = []
afterEach(() => {
  for (const origin of origins) {
    origin.closeAllConnections()
    origin.close()
  }
  origins = []
})

async function origin(answer: (path: string, res: ServerResponse) => void): Promise<number> {
  const server = createServer((req, res) => answer(req.url ?? '', res))
  origins.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** Many ask at once and then once more: all get everything, and the handler runs once. */
async function allGetAll(get: Client, runs: () => number): Promise<void> {
  const all = await Promise.all(Array.from({ length: 8 }, () => get('/')))
  for (const got of [...all, await get('/')])
    expect([got.status, got.text === text, got.broken]).toEqual([200, true, false])
  expect(runs()).toBe(1)
}

/** Two clients of one stream of events: each hears of its own at once, and leaves when it likes. */
async function twoListeners(get: Client, opened: () => number, closed: () => number): Promise<void> {
  const heard = [0, 0]
  const leaving = [new AbortController(), new AbortController()]
  const clients = leaving.map(({ signal }, at) =>
    get('/events', {
      signal,
      onFirstByte: () => {
        heard[at] = 1
      },
    }).catch(() => undefined),
  )
  await until('both to hear', () => heard[0] === 1 && heard[1] === 1)
  expect(opened()).toBe(2)
  leaving[0]?.abort()
  await until('one to have left', () => closed() === 1)
  leaving[1]?.abort()
  await until('both to have left', () => closed() === 2)
  await Promise.all(clients)
}

/** Writes one buffer twice, with other contents: the first may still wait to be sent when it is overwritten. */
function reused(size: number, write: (chunk: Buffer) => unknown): Buffer {
  const buffer = Buffer.alloc(size, 'a')
  write(buffer)
  return buffer.fill('b')
}

/** What the client of the run got is what is stored. */
async function isSentAsStored(get: Client): Promise<void> {
  const [miss, hit] = [await get('/'), await get('/')]
  expect([miss.text.slice(0, 1), hit.cacheStatus.hit, hit.text === miss.text]).toEqual(['a', true, true])
}

describe.each(expresses)('streams in %s', (_, createApplication) => {
  const page = (handler: RequestHandler) => stage.serve(createApplication().use(stage.express(), handler))

  it.each([10, 100_000])('store what they send of a buffer of %i bytes that is used again', async (size) => {
    const write = (res: Response) => reused(size, (chunk) => res.write(chunk))
    await isSentAsStored(await page((_req, res) => void res.end(write(res))))
  })

  it('let the next one run when a handler takes the response from its connection', async () => {
    let runs = 0
    const get = await page((_req, res) => {
      runs += 1
      if (runs > 1) return void res.send('page')
      const { socket } = res
      if (socket === null) return
      res.detachSocket(socket)
      setTimeout(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw'), 50)
    })
    const [first, second] = await Promise.all([get('/'), get('/')])
    expect([first.text, second.text]).toEqual(['raw', 'page'])
  })

  const ways: Record<string, (res: Response) => void> = {
    'a pipe': (res) => void slices().pipe(res),
    'a pipeline': (res) => void pipeline(slices(), res, () => {}),
    'an async loop that waits for drain': async (res) => {
      for await (const chunk of slices()) {
        if (!res.write(chunk)) await new Promise((resolve) => res.once('drain', resolve))
      }
      res.end()
    },
    'a web stream': async (res) => {
      for await (const chunk of new Blob([text]).stream() as AsyncIterable<Uint8Array>) res.write(chunk)
      res.end()
    },
  }
  it.each(Object.keys(ways))('by %s reach all who wait, whole', async (way) => {
    let runs = 0
    const get = await page((_req, res) => {
      runs += 1
      ways[way]?.(res)
    })
    await allGetAll(get, () => runs)
  })

  it('from another server are passed on, and stored when they are whole', async () => {
    let asked = 0
    const port = await origin((path, res) => {
      asked += 1
      res.writeHead(200, {
        'Content-Type': 'text/plain',
        'Content-Length': text.length,
        Connection: 'X-Hop',
        'X-Hop': '1',
      })
      if (path === '/broken') res.write(text.slice(0, 5000), () => res.destroy())
      else res.end(text)
    })
    const get = await page((req, res) => {
      httpRequest({ port, host: '127.0.0.1', path: req.url, agent: false }, (incoming) => {
        res.writeHead(incoming.statusCode ?? 502, incoming.headers)
        pipeline(incoming, res, () => {})
      }).end()
    })
    await allGetAll(get, () => asked)
    expect((await get('/')).field('x-hop')).toBeUndefined()
    for (let round = 0; round < 2; round++) {
      const got = await get('/broken')
      expect([got.broken, got.cacheStatus.hit]).toEqual([true, false])
    }
  })

  it('of events go to each client by itself', async () => {
    let opened = 0
    let closed = 0
    const get = await page((_req, res) => {
      opened += 1
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
      res.flushHeaders()
      res.write(`data: ${opened}\n\n`)
      res.once('close', () => {
        closed += 1
      })
    })
    await twoListeners(
      get,
      () => opened,
      () => closed,
    )
  })
})

describe.each(koas)('streams in %s', (version, createApplication) => {
  const bodies: Record<string, () => unknown> = {
    'a Readable': slices,
    'a PassThrough': () => slices().pipe(new PassThrough()),
    ...(version === 'Koa 3' && {
      'a ReadableStream': () => new Blob([text]).stream(),
      'a Response': () => new Response(text),
      'a Blob': () => new Blob([text]),
    }),
  }
  it('store what they send of a buffer that is used again', async () => {
    async function* again() {
      const buffer = Buffer.alloc(100_000)
      for (const letter of 'abcd') yield buffer.fill(letter)
    }
    const app = createApplication().use(stage.koa())
    app.use((ctx) => {
      ctx.type = 'text'
      ctx.body = Readable.from(again())
    })
    await isSentAsStored(await stage.serve(app))
  })

  it.each(Object.keys(bodies))('as %s reach all who wait, whole', async (body) => {
    let runs = 0
    const app = createApplication().use(stage.koa())
    app.use((ctx) => {
      runs += 1
      ctx.type = 'text'
      ctx.body = bodies[body]?.()
    })
    await allGetAll(await stage.serve(app), () => runs)
  })

  it('from another server are passed on, and stored when they are whole', async () => {
    let asked = 0
    const port = await origin((path, res) => {
      asked += 1
      res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': text.length })
      if (path === '/broken') res.write(text.slice(0, 5000), () => res.destroy())
      else res.end(text)
    })
    const app = createApplication().use(stage.koa())
    app.use(async (ctx) => {
      const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
        httpRequest({ port, host: '127.0.0.1', path: ctx.url, agent: false }, resolve).on('error', reject).end()
      })
      ctx.set('Content-Type', incoming.headers['content-type'] ?? '')
      ctx.body = incoming
      ctx.length = Number(incoming.headers['content-length'])
    })
    const get = await stage.serve(app)
    await allGetAll(get, () => asked)
    for (let round = 0; round < 2; round++) {
      // Koa 2 leaves the client of a stream that broke waiting, with a cache and without.
      const leaving = new AbortController()
      const onFirstByte = () => void (version === 'Koa 2' && setTimeout(() => leaving.abort(), 50))
      const got = await get('/broken', { signal: leaving.signal, onFirstByte }).catch(() => undefined)
      expect(got?.broken ?? true).toBe(true)
      expect(asked).toBe(round + 2)
    }
  })

  it('of events go to each client by itself', async () => {
    let opened = 0
    let closed = 0
    const app = createApplication().use(stage.koa())
    app.use((ctx) => {
      opened += 1
      const events = new PassThrough()
      events.write(`data: ${opened}\n\n`)
      events.once('close', () => {
        closed += 1
      })
      ctx.type = 'text/event-stream'
      ctx.body = events
    })
    await twoListeners(
      await stage.serve(app),
      () => opened,
      () => closed,
    )
  })
})
