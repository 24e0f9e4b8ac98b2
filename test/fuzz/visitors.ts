import { type Agent, request } from 'node:http'
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { type HostPair, hosts, portOf } from './visitors-hosts.js'
import type { Program, Visit } from './visitors-programs.js'

/** What one visitor got. */
export interface Seen {
  readonly status: number
  readonly reason: string
  readonly fields: Readonly<Record<string, string>>
  readonly body: string
  readonly isHit: boolean
}

/** Fields that a cache adds or that tell of one moment; a stored response has a length, and a tag. */
const OWN = new Set([
  ...[
    'age',
    'cache-status',
    'connection',
    'date',
    'keep-alive',
    'server-timing',
    'content-length',
    'transfer-encoding',
  ],
])

/** Several hosts, each with the cache and without, on which visitors ask for the page of one program at a time. */
export class Visited {
  readonly counts: Record<string, number> = { visits: 0, hits: 0, parts: 0, unchanged: 0 }
  #program: Program | undefined
  #path = 0
  readonly #pairs = hosts(() => {
    if (this.#program === undefined) throw new Error('no program is played')
    return this.#program
  })
  readonly #ports = new Map<object, number>()
  readonly #sessions: ClientHttp2Session[] = []
  readonly #agent: Agent

  constructor(agent: Agent) {
    this.#agent = agent
  }

  get names(): readonly string[] {
    return this.#pairs.map(({ name }) => name)
  }

  async open(): Promise<this> {
    for (const { cached, plain, isHttp2 } of this.#pairs) {
      for (const server of [cached, plain]) {
        const port = await portOf(server)
        this.#ports.set(server, port)
        if (isHttp2) this.#sessions.push(connect(`http://127.0.0.1:${port}`))
      }
    }
    return this
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy()
    this.#agent.destroy()
    for (const { cached, plain, close } of this.#pairs) {
      for (const server of [cached, plain]) await new Promise((resolve) => server.close(resolve))
      await close()
    }
  }

  /** Plays one program. @returns what is wrong; `undefined`: nothing */
  async play(name: string, program: Program, visits: readonly Visit[], atOnce: boolean): Promise<string | undefined> {
    const pair = this.#pairs.find((one) => one.name === name)
    if (pair === undefined) throw new Error(`there is no ${name}`)
    this.#program = program
    this.#path += 1
    const path = `/${this.#path}`
    const all: (string | undefined)[] = []
    if (atOnce) all.push(...(await Promise.all(visits.map((visit) => this.#compare(pair, path, visit)))))
    else for (const visit of visits) all.push(await this.#compare(pair, path, visit))
    return all.find((one) => one !== undefined)
  }

  async #compare(pair: HostPair, path: string, visit: Visit): Promise<string | undefined> {
    const [plain, cached] = await Promise.all([
      this.#ask(pair, pair.plain, path, visit),
      this.#ask(pair, pair.cached, path, visit),
    ])
    this.#count('visits')
    if (cached.isHit) this.#count('hits')
    const expected = this.#expected(plain, cached, visit)
    const [wanted, got] = [shown(expected, plain), shown(cached, plain)]
    return wanted === got
      ? undefined
      : `${pair.name} ${JSON.stringify(visit)}: wanted ${wanted}, got ${got} (${cached.fields['cache-status']})`
  }

  /** What may be answered in place of the whole, because the client has asked for a part of it or for what has changed. */
  #expected(plain: Seen, cached: Seen, { fields, method }: Visit): Seen {
    if (cached.status === plain.status || plain.status < 200 || plain.status > 299) return plain
    if (cached.status === 304 && (fields['if-none-match'] !== undefined || fields['if-modified-since'] !== undefined)) {
      this.#count('unchanged')
      return { ...plain, status: 304, reason: cached.reason, body: '', fields: cached.fields }
    }
    if (cached.status === 412 && fields['if-match'] !== undefined) return cached
    if (fields.range === undefined || method !== 'GET') return plain
    if (cached.status === 416) return fields.range === 'bytes=900-' && plain.body.length <= 900 ? cached : plain
    if (cached.status !== 206) return plain
    this.#count('parts')
    const part = fields.range === 'bytes=0-2' ? plain.body.slice(0, 3) : plain.body.slice(-2)
    const { 'content-range': range = '' } = cached.fields
    return {
      ...plain,
      status: 206,
      reason: cached.reason,
      body: part,
      fields: { ...plain.fields, 'content-range': range },
    }
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  #ask(pair: HostPair, server: object, path: string, visit: Visit): Promise<Seen> {
    const port = this.#ports.get(server) ?? 0
    if (!pair.isHttp2) return this.#askHttp1(port, path, visit)
    const session = this.#sessions[server === pair.cached ? 0 : 1]
    if (session === undefined) throw new Error('there is no session')
    return askHttp2(session, path, visit)
  }

  #askHttp1(port: number, path: string, { method, query, fields }: Visit): Promise<Seen> {
    return new Promise((resolve, reject) => {
      const of = { host: '127.0.0.1', port, path: path + query, method, headers: fields, agent: this.#agent }
      const outgoing = request(of, (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const seen = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])
          const { statusCode = 0, statusMessage = '' } = incoming
          resolve(seenOf(statusCode, statusMessage, Object.fromEntries(seen), chunks))
        })
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  }
}

function askHttp2(session: ClientHttp2Session, path: string, { method, query, fields }: Visit): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path + query, ':method': method, ...fields }, { endStream: true })
    const chunks: Buffer[] = []
    let head: Readonly<Record<string, string>> = {}
    stream.on('response', (headers) => {
      head = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => {
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) reject(new Error(`reset ${stream.rstCode}`))
      const { ':status': status, ...rest } = head
      resolve(seenOf(Number(status), '', rest, chunks))
    })
  })
}

function seenOf(status: number, reason: string, fields: Seen['fields'], chunks: readonly Buffer[]): Seen {
  const isHit = /; hit/.test(fields['cache-status'] ?? '')
  return { status, reason, fields, isHit, body: Buffer.concat(chunks).toString('latin1') }
}

/** What is compared of an answer: all, but for what the cache adds. */
function shown({ status, reason, fields, body }: Seen, plain: Seen): string {
  const isUnchanged = status === 304
  const own = Object.entries(fields).filter(([name]) => {
    if (OWN.has(name) || (name === 'etag' && plain.fields.etag === undefined)) return false
    // A 304 may have fields of the representation (RFC 9110, section 15.4.5), and a Vary may name too much.
    if (isUnchanged && name.startsWith('content-')) return false
    return name !== 'vary'
  })
  const missing = membersOf(plain.fields.vary).filter((one) => !membersOf(fields.vary).includes(one))
  return JSON.stringify([status, isUnchanged ? '' : reason, body, Object.fromEntries(own.sort()), missing])
}

function membersOf(list = ''): readonly string[] {
  return list.toLowerCase().split(/\s*,\s*/)
}
