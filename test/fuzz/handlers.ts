import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import express from 'express'
import fc from 'fast-check'
import { fallbackCache } from '../../src/middleware/express.js'

/** One call that a handler makes. */
export type Act =
  | { readonly do: 'setHeader'; readonly name: string; readonly value: string | readonly string[] }
  | { readonly do: 'removeHeader'; readonly name: string }
  | { readonly do: 'writeHead'; readonly status: number; readonly reason?: string; readonly fields?: object }
  | { readonly do: 'write' | 'end'; readonly text: string | undefined }
  | { readonly do: 'status'; readonly status: number }
  | { readonly do: 'flushHeaders' | 'destroy' | 'wait' | 'cork' | 'uncork' | 'trailers' }

const name = fc.constantFrom('X-A', 'x-a', 'X-B', 'Link', 'Content-Type', 'Vary', 'ETag')
const value = fc.constantFrom('1', 'two', '"three"', 'a, b', '</x>; rel=next')
const length = fc.constantFrom('0', '3', '6', '9').map((digits) => ['Content-Length', digits] as const)
const field = fc.oneof({ weight: 6, arbitrary: fc.tuple(name, value) }, { weight: 1, arbitrary: length })
const status = fc.constantFrom(200, 200, 200, 201, 204, 301, 404, 500)
const text = fc.constantFrom('abc', 'defghi', '', 'ü€', undefined)

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 3, arbitrary: field.map(([name, value]): Act => ({ do: 'setHeader', name, value })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(name, fc.array(value, { maxLength: 3 }))
      .map(([name, value]): Act => ({ do: 'setHeader', name, value })),
  },
  { weight: 1, arbitrary: name.map((name): Act => ({ do: 'removeHeader', name })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        status,
        fc.option(fc.array(field, { maxLength: 3 })),
        fc.constantFrom('none', 'object', 'flat'),
        fc.boolean(),
      )
      .map(
        ([status, fields, form, hasReason]): Act => ({
          do: 'writeHead',
          status,
          ...(hasReason ? { reason: 'Fine' } : {}),
          ...(fields === null || form === 'none'
            ? {}
            : { fields: form === 'flat' ? fields.flat() : Object.fromEntries(fields) }),
        }),
      ),
  },
  { weight: 5, arbitrary: text.map((text): Act => ({ do: 'write', text })) },
  { weight: 2, arbitrary: text.map((text): Act => ({ do: 'end', text })) },
  { weight: 1, arbitrary: status.map((status): Act => ({ do: 'status', status })) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('flushHeaders', 'wait', 'cork', 'uncork').map((name): Act => ({ do: name })),
  },
  { weight: 1, arbitrary: fc.constantFrom('destroy', 'trailers').map((name): Act => ({ do: name })) },
)

/** What a handler does: some acts, and an end in most cases. */
export const handlers: fc.Arbitrary<readonly Act[]> = fc
  .tuple(fc.array(act, { maxLength: 7 }), fc.constantFrom('end', 'end', 'end', 'destroy'))
  .map(([acts, last]): readonly Act[] => [...acts, last === 'end' ? { do: 'end', text: undefined } : { do: 'destroy' }])

/** What a client and the handler saw. */
export interface Seen {
  readonly status: string
  /** The fields but for those that a cache adds, sorted. */
  readonly fields: readonly string[]
  readonly body: string
  /** Whether the answer came to its end. */
  readonly isWhole: boolean
  readonly isHit: boolean
  /** What the calls of the handler did. */
  readonly outcomes: readonly string[]
}

/** How a handler is asked, and in which framework. */
export interface Asked {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly host: 'node:http' | 'Express'
}

/** Handlers are asked by GET in most cases. */
export const asked: fc.Arbitrary<Asked> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST'),
  host: fc.constantFrom('node:http', 'Express'),
})

/** Two servers of each framework for one handler at a time: with the cache in front of it, and without. */
export class Pair {
  #acts: readonly Act[] = []
  #outcomes: string[] = []
  #path = 0
  #running: Promise<void> | undefined
  readonly #cached = fallbackCache({ ttl: 60 })
  readonly #servers = [
    createServer((_req, res) => this.#start(res)),
    createServer(((req, res) => this.#cached(req, res, () => this.#start(res))) as RequestListener),
    createServer(express().use((_req, res) => this.#start(res))),
    createServer(express().use(this.#cached, (_req, res) => this.#start(res))),
  ]

  async open(): Promise<this> {
    for (const server of this.#servers) await once(server.listen(0, '127.0.0.1'), 'listening')
    return this
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections()
      server.close()
    }
    await this.#cached.close()
  }

  /** Has a handler answer: without the cache, on a miss, and once more; by HEAD after a GET has stored the response. */
  async play(
    acts: readonly Act[],
    { method, host }: Asked,
  ): Promise<{ readonly plain: Seen; readonly miss: Seen; readonly next: Seen }> {
    this.#acts = acts
    this.#path += 1
    const ports = this.#servers.map((server) => (server.address() as AddressInfo).port)
    const [plain = 0, cached = 0] = host === 'Express' ? ports.slice(2) : ports
    const seen = { plain: await this.#ask(plain, method), miss: await this.#ask(cached, method) }
    if (method === 'HEAD') await this.#ask(cached, 'GET')
    return { ...seen, next: await this.#ask(cached, method) }
  }

  async #ask(port: number, method: Asked['method']): Promise<Seen> {
    this.#outcomes = []
    const bytes = await bytesOf(port, method, `/${this.#path}`)
    await this.#running
    const seen = read(bytes)
    return { ...seen, isWhole: seen.isWhole || method === 'HEAD', outcomes: this.#outcomes }
  }

  #start(res: ServerResponse): void {
    this.#running = this.#run(res)
  }

  async #run(res: ServerResponse): Promise<void> {
    const outcomes = this.#outcomes
    res.on('error', (error: NodeJS.ErrnoException) => outcomes.push(`error ${error.code}`))
    for (const act of this.#acts) {
      if (act.do === 'wait') await new Promise((resolve) => setTimeout(resolve, 1))
      else outcomes.push(outcome(act, res))
    }
  }
}

function outcome(act: Exclude<Act, { do: 'wait' }>, res: ServerResponse): string {
  try {
    perform(act, res)
    return `${act.do} ${res.headersSent}`
  } catch (thrown) {
    return `${act.do} ${(thrown as NodeJS.ErrnoException).code}`
  }
}

function perform(act: Act, res: ServerResponse): void {
  switch (act.do) {
    case 'setHeader':
      res.setHeader(act.name, act.value)
      break
    case 'removeHeader':
      res.removeHeader(act.name)
      break
    case 'writeHead':
      if (act.reason === undefined) res.writeHead(act.status, act.fields as never)
      else res.writeHead(act.status, act.reason, act.fields as never)
      break
    case 'write':
      res.write(act.text as string)
      break
    case 'end':
      if (act.text === undefined) res.end()
      else res.end(act.text)
      break
    case 'status':
      res.statusCode = act.status
      break
    case 'trailers':
      res.addTrailers({ 'X-Sum': '1' })
      break
    case 'wait':
      break
    default:
      res[act.do]()
  }
}

function bytesOf(port: number, method: string, path: string): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    const done = () => resolve(Buffer.concat(chunks).toString('latin1'))
    socket
      .on('data', (chunk) => chunks.push(chunk))
      .on('close', done)
      .on('error', () => {})
    const length = method === 'POST' ? 'Content-Length: 0\r\n' : ''
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: fuzz.test\r\n${length}Connection: close\r\n\r\n`)
  })
}

/** Fields that a cache adds or that tell of one moment; an entity tag is added where there is none. */
const OWN = /^(?:cache-status|date|age|connection|keep-alive):/i

function read(bytes: string): Omit<Seen, 'outcomes'> {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return { status: bytes, fields: [], body: '', isWhole: false, isHit: false }
  const [status = '', ...lines] = bytes.slice(0, end).split('\r\n')
  // Names are compared in lower case: node writes those of a list that repeats one as each was given.
  const fields = lines
    .filter((line) => !OWN.test(line))
    .map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase()))
    .sort()
  const isHit = lines.some((line) => /^cache-status:.*; hit/i.test(line))
  return { status, fields, isHit, ...bodyOf(bytes.slice(end + 4), / 204 /.test(status) ? [] : lines) }
}

function bodyOf(bytes: string, lines: readonly string[]): { readonly body: string; readonly isWhole: boolean } {
  if (lines.some((line) => /^transfer-encoding: chunked/i.test(line))) return unchunked(bytes)
  const length = lines.find((line) => /^content-length:/i.test(line))
  return { body: bytes, isWhole: length === undefined || bytes.length === Number(length.slice(15)) }
}

function unchunked(bytes: string): { readonly body: string; readonly isWhole: boolean } {
  let body = ''
  for (let at = 0; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return { body, isWhole: false }
    const size = Number.parseInt(bytes.slice(at, line), 16)
    if (size === 0) return { body: body + bytes.slice(line + 4), isWhole: true }
    body += bytes.slice(line + 2, line + 2 + size)
    at = line + 4 + size
  }
}

/** What is wrong with what was seen; `undefined`: nothing. */
export function fault({ plain, miss, next }: { plain: Seen; miss: Seen; next: Seen }): string | undefined {
  const differs = differenceOf(plain, miss)
  if (differs !== undefined) return `on a miss, ${differs}`
  if (!next.isHit) {
    const again = differenceOf(plain, next)
    return again && `on the next request, ${again}`
  }
  if (!plain.isWhole) return 'an answer that did not come to its end was stored'
  if (next.body !== plain.body) return `a hit has another body: ${JSON.stringify([plain.body, next.body])}`
  if (next.status !== plain.status) return `a hit has another status: ${plain.status}, ${next.status}`
  return undefined
}

function differenceOf(plain: Seen, other: Seen): string | undefined {
  const hasTag = plain.fields.some((line) => /^etag:/i.test(line))
  const fields = (seen: Seen) => seen.fields.filter((line) => hasTag || !/^etag:/i.test(line))
  const shown = (seen: Seen) => JSON.stringify([seen.status, fields(seen), seen.body, seen.isWhole, seen.outcomes])
  return shown(plain) === shown(other) ? undefined : `without the cache ${shown(plain)}, with it ${shown(other)}`
}
