import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'

/** What a client asks. */
export interface Ask {
  /** @defaultValue 'GET' */
  readonly method?: string
  readonly fields?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
  /** A body in pieces, each sent in a turn of its own. */
  readonly pieces?: readonly string[]
  /** Does not end the request after its pieces. */
  readonly endless?: boolean
  readonly signal?: AbortSignal
  /** Keeps connections. @defaultValue a connection of its own, which the server may keep */
  readonly agent?: Agent
  /** Called when the first bytes of the body have arrived. */
  readonly onFirstByte?: () => void
}

/** What a client got, to the byte. */
export interface Got {
  readonly status: number
  readonly statusText: string
  /** All lines of one field, joined; `undefined` when there is none. */
  field(name: string): string | undefined
  /** The lines of one field, in order. */
  lines(name: string): readonly string[]
  /** The names of all fields, in lower case, sorted. */
  readonly names: readonly string[]
  readonly body: Buffer
  readonly text: string
  /** Whether the connection broke before the answer was whole. */
  readonly broken: boolean
  /** The member of Cache-Status that this cache added (RFC 9211). */
  readonly cacheStatus: CacheStatus
}

/** One member of Cache-Status, read. */
export interface CacheStatus {
  readonly present: boolean
  readonly hit: boolean
  readonly stored: boolean
  readonly collapsed: boolean
  readonly fwd: string | undefined
  readonly ttl: number | undefined
  readonly detail: string | undefined
  readonly text: string
}

/** Sends one request over a connection of its own and reads the whole answer. */
export function ask(port: number, path: string, options: Ask = {}): Promise<Got> {
  // Answers to a client that closes its connection are made in another way than most.
  const own = options.agent === undefined ? new Agent({ keepAlive: true }) : undefined
  const asked = new Promise<Got>((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      path,
      method: options.method ?? 'GET',
      agent: options.agent ?? own,
      headers: Object.fromEntries(
        Object.entries(options.fields ?? {}).map(([name, value]) => [
          name,
          typeof value === 'string' ? value : [...value],
        ]),
      ),
      ...(options.signal && { signal: options.signal }),
    })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => {
        if (chunks.length === 0) options.onFirstByte?.()
        chunks.push(chunk)
      })
      incoming.on('error', () => {})
      incoming.on('close', () => resolve(got(incoming, Buffer.concat(chunks))))
    })
    if (options.pieces === undefined) outgoing.end(options.body)
    else void sendPieces(outgoing, options.pieces, options.endless === true)
  })
  return asked.finally(() => own?.destroy())
}

async function sendPieces(outgoing: ClientRequest, pieces: readonly string[], endless: boolean): Promise<void> {
  outgoing.flushHeaders()
  for (const piece of pieces) {
    outgoing.write(piece)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  if (!endless) outgoing.end()
}

function got(incoming: IncomingMessage, body: Buffer): Got {
  const lines = (name: string) =>
    incoming.rawHeaders.filter(
      (_, i) => i % 2 === 1 && incoming.rawHeaders[i - 1]?.toLowerCase() === name.toLowerCase(),
    )
  const names = incoming.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  return {
    status: incoming.statusCode ?? 0,
    statusText: incoming.statusMessage ?? '',
    field: (name) => (lines(name).length === 0 ? undefined : lines(name).join(', ')),
    lines,
    names: [...new Set(names)].sort(),
    body,
    text: body.toString(),
    broken: !incoming.complete,
    cacheStatus: cacheStatus(lines('cache-status').join(', ')),
  }
}

function cacheStatus(text: string): CacheStatus {
  const members = text.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/)
  const member = members.find((one) => one.trimStart().startsWith('fallback-cache')) ?? ''
  const parameters = new Map(
    member
      .split(';')
      .slice(1)
      .map((part) => {
        const [name = '', value] = part.trim().split('=', 2)
        return [name, value?.replace(/^"|"$/g, '')] as const
      }),
  )
  const flag = (name: string) => parameters.has(name) && parameters.get(name) !== '?0'
  const ttl = parameters.get('ttl')
  return {
    present: member !== '',
    hit: flag('hit'),
    stored: flag('stored'),
    collapsed: flag('collapsed'),
    fwd: parameters.get('fwd'),
    ttl: ttl === undefined ? undefined : Number(ttl),
    detail: parameters.get('detail'),
    text,
  }
}
