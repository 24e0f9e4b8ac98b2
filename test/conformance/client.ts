import { connect } from 'node:net'

/** A request, to be sent as it stands. */
export interface Asked {
  /** @defaultValue 'GET' */
  readonly method?: string
  /** @defaultValue '/page' */
  readonly target?: string
  /** @defaultValue 'cache.test' */
  readonly host?: string
  readonly fields?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
}

/** A response as its bytes say it. */
export interface Got {
  readonly status: number
  /** Name and value of every field line, in order. */
  readonly lines: readonly (readonly [name: string, value: string])[]
  /** The bytes after the head, without the frames of chunks. */
  readonly body: Buffer
  readonly text: string
  /** Whether the body has the length that the head announced. */
  readonly complete: boolean
  /** The lines of a field, joined; `undefined` when there is none. */
  field(name: string): string | undefined
}

/** So long more may come after what looks like the end of an answer; ms. */
const AFTERMATH = 2

/** Sends one request over a socket of its own, which the server may keep as for most clients, and reads until its answer is there, and a little longer. */
export function send(port: number, asked: Asked): Promise<Got> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(requestText(asked), 'latin1'))
    let end: NodeJS.Timeout | undefined
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      clearTimeout(end)
      if (isWhole(Buffer.concat(chunks), asked.method === 'HEAD')) end = setTimeout(() => socket.destroy(), AFTERMATH)
    })
    socket.on('error', reject)
    socket.on('close', () => {
      try {
        resolve(parseResponse(Buffer.concat(chunks), asked.method === 'HEAD'))
      } catch (error) {
        reject(error)
      }
    })
  })
}

function requestText({ method = 'GET', target = '/page', host = 'cache.test', fields = {}, body }: Asked): string {
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: keep-alive']
  for (const [name, value] of Object.entries(fields)) {
    for (const line of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${line}`)
  }
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** Whether an answer is complete by its own framing; one that ends with its connection never is. */
function isWhole(bytes: Buffer, isHead: boolean): boolean {
  if (!bytes.includes('\r\n\r\n')) return false
  try {
    const { complete, field, status } = parseResponse(bytes, isHead)
    const isFramed = field('content-length') !== undefined || field('transfer-encoding') !== undefined
    return complete && (isFramed || isHead || status === 204 || status === 304)
  } catch {
    return false
  }
}

function parseResponse(bytes: Buffer, isHead: boolean): Got {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) throw new Error(`the connection closed before the head was there: ${JSON.stringify(bytes.toString())}`)
  const [statusLine = '', ...rest] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(statusLine.split(' ')[1])
  if (status < 200) return parseResponse(bytes.subarray(end + 4), isHead)
  const lines = rest.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  const field = (name: string) => {
    const values = lines.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
    return values.length === 0 ? undefined : values.join(', ')
  }
  const raw = bytes.subarray(end + 4)
  const { body, complete } = unframed(raw, field, isHead || status === 204 || status === 304)
  return { status, lines, body, text: body.toString(), complete, field }
}

function unframed(raw: Buffer, field: Got['field'], isBodiless: boolean): { body: Buffer; complete: boolean } {
  if (isBodiless) return { body: raw, complete: raw.length === 0 }
  if (/chunked/i.test(field('transfer-encoding') ?? '')) return unchunked(raw)
  const length = field('content-length')
  return { body: raw, complete: length === undefined || Number(length) === raw.length }
}

function unchunked(raw: Buffer): { body: Buffer; complete: boolean } {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at)
    if (lineEnd < 0) return { body: Buffer.concat(chunks), complete: false }
    const length = Number.parseInt(raw.subarray(at, lineEnd).toString('latin1'), 16)
    if (length === 0) return { body: Buffer.concat(chunks), complete: true }
    chunks.push(raw.subarray(lineEnd + 2, lineEnd + 2 + length))
    at = lineEnd + 2 + length + 2
  }
}
