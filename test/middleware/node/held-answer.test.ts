import { once } from 'node:events'
import { Agent, createServer, request as http1Request, type RequestListener, ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect, createServer as createHttp2Server, Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../../src/middleware/express.js'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

type Probe = (res: ServerResponse, log: (...facts: unknown[]) => void) => void

/** Runs a handler for one conditional request, with the cache in front of it or without, and returns what the handler saw. */
async function seen(version: 1 | 2, isCached: boolean, probe: Probe): Promise<readonly string[]> {
  const facts: string[] = []
  const log = (...fact: unknown[]) => facts.push(fact.map(String).join(' '))
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const handler = (res: ServerResponse) => {
    res.setHeader('ETag', '"one"')
    res.on('finish', () => log('finish'))
    res.on('error', (error: NodeJS.ErrnoException) => log('error', error.code))
    probe(res, log)
  }
  const listener: RequestListener = (req, res) => {
    if (isCached) cached(req, res, () => handler(res))
    else handler(res)
  }
  const server = version === 1 ? createServer(listener) : createHttp2Server(listener as never)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  open.push(() => server.close())
  const { port } = server.address() as AddressInfo
  // Without the cache no condition counts, for the handler looks at none.
  if (version === 1) await askOverHttp1(port)
  else await askOverHttp2(port)
  await expect.poll(() => facts.includes('finish')).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 20))
  return facts
}

function askOverHttp1(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = http1Request({ port, host: '127.0.0.1', headers: { 'if-none-match': '"one"' }, agent: false })
    asked.on('response', (response) => response.on('close', resolve).resume())
    asked.on('error', reject).end()
  })
}

async function askOverHttp2(port: number): Promise<void> {
  const session = connect(`http://127.0.0.1:${port}`)
  open.push(() => session.destroy())
  const stream = session.request({ ':path': '/', 'if-none-match': '"one"' })
  stream.resume()
  await once(stream, 'close')
}

/** What a call does: its result, or the code of its error. */
function outcome(call: () => unknown): string {
  try {
    const result = call()
    return typeof result === 'boolean' ? String(result) : 'done'
  } catch (thrown) {
    return String((thrown as NodeJS.ErrnoException).code ?? thrown)
  }
}

const probes: Record<string, Probe> = {
  'of changes to a head that is written': (res, log) => {
    log('sent', res.headersSent)
    log(outcome(() => res.writeHead(200, { 'Content-Type': 'text/plain' })))
    log('sent', res.headersSent)
    log(outcome(() => res.setHeader('X-Late', '1')))
    log(outcome(() => res.appendHeader('X-Late', '1')))
    log(outcome(() => res.removeHeader('ETag')))
    log(outcome(() => res.writeHead(500)))
    log(outcome(() => res.flushHeaders()))
    setTimeout(() => {
      log(outcome(() => res.setHeader('X-Late', '1')))
      log(outcome(() => res.writeHead(500)))
      res.end('late')
    }, 10)
  },
  'of changes after the first bytes': (res, log) => {
    log(outcome(() => res.write('first')))
    log('sent', res.headersSent)
    res.statusCode = 500
    log(outcome(() => res.setHeader('X-Late', '1')))
    log(outcome(() => res.writeHead(500, { 'X-Late': '1' })))
    setTimeout(() => res.end(), 10)
  },
  'of its callbacks': (res, log) => {
    res.write('first', () => log('first written'))
    res.write('c2Vjb25k', 'base64', (error) => log('second written', error))
    setTimeout(() => {
      log('ended', res.writableEnded)
      res.end('last', () => log('end called back'))
      log('ended', res.writableEnded)
    }, 10)
  },
  'of what is no chunk': (res, log) => {
    log(outcome(() => res.write(null as never)))
    log(outcome(() => res.write('text')))
    res.end()
  },
  'of a stream that is piped to it': (res, log) => {
    const source = Readable.from(['one', 'two', 'three'])
    source.on('end', () => log('source ended'))
    source.on('close', () => log('source closed'))
    res.on('unpipe', () => log('unpiped'))
    source.pipe(res)
  },
  'of a cork': (res, log) => {
    res.cork()
    log(outcome(() => res.write('one')))
    log(outcome(() => res.write('two')))
    res.uncork()
    res.end(() => log('end called back'))
  },
}

/** The same, for what only HTTP/1 has. */
const probesOfHttp1: Record<string, Probe> = {
  'of what is no chunk, at its end': (res, log) => {
    res.write('text')
    log(outcome(() => res.end(5 as never)))
    res.end()
  },
  'of more bytes than it announced': (res, log) => {
    res.strictContentLength = true
    res.setHeader('Content-Length', 5)
    log(outcome(() => res.write('four')))
    log(outcome(() => res.write('and more')))
    log(outcome(() => res.end()))
    log(outcome(() => res.end('5')))
  },
  'of a second end': (res, log) => {
    res.write('first')
    res.end('last', () => log('first end called back'))
    res.end(() => log('second end called back'))
    log('ended', res.writableEnded)
  },
}

describe('while an answer of the cache is held back', () => {
  for (const version of [1, 2] as const) {
    const all = version === 1 ? { ...probes, ...probesOfHttp1 } : probes
    for (const [what, probe] of Object.entries(all)) {
      it(`a handler sees over HTTP/${version} what it sees without a cache, ${what}`, async () => {
        expect(await seen(version, true, probe)).toEqual(await seen(version, false, probe))
      })
    }
  }

  it('the client gets it after a second, however long the handler goes on', async () => {
    for (const version of [1, 2] as const) {
      const cached = fallbackCache({ ttl: 60 })
      open.push(() => cached.close())
      const listener: RequestListener = (req, res) =>
        cached(req, res, () => {
          res.setHeader('ETag', '"one"')
          res.write('without end')
        })
      const server = version === 1 ? createServer(listener) : createHttp2Server(listener as never)
      await once(server.listen(0, '127.0.0.1'), 'listening')
      open.push(() => server.close())
      const { port } = server.address() as AddressInfo
      await (version === 1 ? askOverHttp1(port) : askOverHttp2(port))
    }
  })
})

interface Methods {
  readonly write: (...args: unknown[]) => unknown
  readonly end: (...args: unknown[]) => unknown
}

/** What a handler that fails does, with the methods of the prototype. */
const bypasses: Record<string, (res: ServerResponse, methods: Methods) => void> = {
  'of a handler that writes by it': (res, { write }) => {
    write.call(res, 'lost')
    write.call(res, 'lost', () => res.end('lost'))
  },
  'of a handler that ends by it': (res, { end }) => {
    res.write('lost')
    end.call(res)
  },
  'of a handler that ends by it with bytes, after its head': (res, { end }) => {
    res.writeHead(500, { 'X-Mode': 'dark' })
    res.flushHeaders()
    end.call(res, 'lost')
  },
  'of a handler that ends by it after its head': (res, { end }) => {
    res.writeHead(500)
    res.flushHeaders()
    end.call(res)
  },
}

describe('a connection is not damaged by bytes of a method of the prototype', () => {
  for (const version of [1, 2] as const) {
    for (const [what, bypass] of Object.entries(bypasses)) {
      it(`${what}, over HTTP/${version}`, async () => {
        const cached = fallbackCache({ ttl: 60 })
        open.push(() => cached.close())
        let runs = 0
        const methods = (version === 1 ? ServerResponse : Http2ServerResponse).prototype as unknown as Methods
        const listener: RequestListener = (req, res) =>
          cached(req, res, () => {
            runs += 1
            res.setHeader('Cache-Control', 'max-age=0, stale-if-error=60')
            if (runs === 1) return res.end('the page')
            res.statusCode = 500
            return bypass(res, methods)
          })
        const server = version === 1 ? createServer(listener) : createHttp2Server(listener as never)
        await once(server.listen(0, '127.0.0.1'), 'listening')
        open.push(() => server.close())
        const { port } = server.address() as AddressInfo
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        open.push(() => agent.destroy())
        const session = version === 2 ? connect(`http://127.0.0.1:${port}`) : undefined
        open.push(() => session?.destroy())
        const got: string[] = []
        while (got.length < 3) got.push(await (session ? textOverHttp2(session) : textOverHttp1(port, agent)))
        expect([runs, ...got]).toEqual([3, 'the page', 'the page', 'the page'])
      })
    }
  }
})

function textOverHttp1(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = http1Request({ port, host: '127.0.0.1', agent, timeout: 900 })
    asked.on('response', (response) => {
      response.setEncoding('utf8').on('error', reject)
      void response.toArray().then((texts) => resolve(texts.join('')), reject)
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject).end()
  })
}

async function textOverHttp2(session: ClientHttp2Session): Promise<string> {
  const stream = session.request({ ':path': '/' }).setEncoding('utf8')
  return (await stream.toArray()).join('')
}

describe('a head that node refuses', () => {
  it('stores nothing of what the handler answers next', async () => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    let runs = 0
    const server = createServer((req, res) =>
      cached(req, res, () => {
        runs += 1
        if (runs > 1) {
          res.end('right')
          return
        }
        res.statusMessage = 'line\nbreak'
        try {
          if (req.url === '/whole') res.end('wrong')
          else res.write('wrong')
        } catch {
          res.statusMessage = 'Broken'
          res.statusCode = 500
          res.end('failed')
        }
      }),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    open.push(() => server.close())
    const { port } = server.address() as AddressInfo
    for (const path of ['/whole', '/streamed']) {
      runs = 0
      const first = await fetch(`http://127.0.0.1:${port}${path}`)
      expect([first.status, await first.text()]).toEqual([500, 'failed'])
      const next = await fetch(`http://127.0.0.1:${port}${path}`)
      expect([next.status, await next.text()]).toEqual([200, 'right'])
    }
  })
})
