import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream'
import { parseArgs } from 'node:util'
import { fallbackCache } from 'fallback-cache/express'

// A caching reverse proxy in front of any origin:
//   npx tsx examples/reverse-proxy.ts http://localhost:8000 --port 8001
// --host takes an address to listen on, --timeout the milliseconds in which the origin has to answer; --keep-host sends
// the client's Host on instead of the origin's. With REDIS_URL responses live in Redis too.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: process.env.PORT ?? '8001' },
    host: { type: 'string' },
    timeout: { type: 'string', default: '30000' },
    'keep-host': { type: 'boolean', default: false },
  },
})
const [target] = positionals
if (target === undefined || !/^https?:\/\//i.test(target) || !URL.canParse(target)) {
  console.error('Usage: npx tsx examples/reverse-proxy.ts <origin URL> [--port 8001] [--host ::] [--timeout 30000]')
  process.exit(2)
}
const origin = new URL(target)
const { Agent, request: requestOrigin } = origin.protocol === 'https:' ? https : http
const maxHeaderSize = 2 ** 16
const settings = { agent: new Agent({ keepAlive: true }), timeout: Number(values.timeout), maxHeaderSize }
const cached = fallbackCache({ preset: 'proxy', maxEntries: 10_000, redis: process.env.REDIS_URL })

const server = http.createServer({ maxHeaderSize }, (request, response) => {
  takeOriginForm(request)
  cached(request, response, (error) => (error === undefined ? forward(request, response) : fail(response, 500)))
})
server.listen(Number(values.port), values.host, () => console.log('listening', server.address()))
process.once('SIGTERM', stop).once('SIGINT', stop)

/** Asks the origin, and streams both ways. */
function forward(request: IncomingMessage, response: ServerResponse, isRetry = false): void {
  const { method = '', url, headers } = request
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  const outgoing = requestOrigin(origin, { ...settings, method, path: url, headers: requestFields(request, hasBody) })
  let status = 502
  let answer: IncomingMessage | undefined
  outgoing.on('timeout', () => {
    status = 504
    outgoing.destroy(new Error('the origin takes too long'))
  })
  outgoing.on('upgrade', (_incoming, socket) => {
    socket.destroy()
    fail(response, 502)
  })
  outgoing.on('information', (interim) => passOn(interim, request, response))
  outgoing.on('response', (incoming) => {
    answer = incoming
    try {
      copyHead(incoming, response)
    } catch {
      // Node's parser takes heads that node does not send.
      outgoing.destroy()
      return fail(response, 502)
    }
    pipeline(incoming, response, () => {})
  })
  outgoing.on('error', () => {
    // Bytes beyond what was announced are no part of the answer (RFC 9112, section 6.3).
    if (answer?.complete) return
    // A connection that was kept open may have been closed by the origin just now.
    const mayRetry = outgoing.reusedSocket && !isRetry && status === 502 && /^(GET|HEAD)$/.test(method) && !hasBody
    if (mayRetry && !response.headersSent && !response.destroyed) forward(request, response, true)
    else fail(response, status)
  })
  response.on('close', () => response.writableFinished || outgoing.destroy())
  if (hasBody) pipeline(request, outgoing, () => {})
  else outgoing.end()
}

/** The origin did not answer, or cannot be understood. In place of this the cache sends a stale response, where it may. */
function fail(response: ServerResponse, status: number): void {
  if (response.headersSent) return void response.destroy()
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.statusCode = status
  response.statusMessage = http.STATUS_CODES[status] ?? ''
  response.setHeader('Content-Type', 'text/plain')
  response.end(`${response.statusMessage}\n`)
}

/** What a client sends to a proxy, `GET http://host/path`, names the Host better than Host does (RFC 9112, section 3.2.2). */
function takeOriginForm(request: IncomingMessage): void {
  const [, host, path = ''] = /^https?:\/\/([^/?#]+)([^#]*)/i.exec(request.url ?? '') ?? []
  if (host !== undefined) request.headers.host = host
  if (host !== undefined) request.url = path.startsWith('/') ? path : `/${path}`
}

/** The lines as the client sent them, without what is for one connection only; conditions as the cache wants them (`headers`). */
function requestFields(request: IncomingMessage, hasBody: boolean): string[] {
  const { headers, socket, httpVersion } = request
  const removed = new Set([...hopByHop(request), ...CONDITIONS, ...REPLACED])
  const fields = ['Host', (values['keep-host'] && headers.host) || origin.host]
  for (const [name, value] of linesOf(request)) {
    if (!removed.has(name.toLowerCase())) fields.push(name, value)
    // Of a second User-Agent and its like node takes no notice, so the cache has not seen it.
    if (headers[name.toLowerCase()] === value) removed.add(name.toLowerCase())
  }
  for (const name of CONDITIONS) if (headers[name] !== undefined) fields.push(name, String(headers[name]))
  if (hasBody && headers['content-length'] === undefined) fields.push('Transfer-Encoding', 'chunked')
  fields.push('Via', `${headers.via === undefined ? '' : `${headers.via}, `}${httpVersion} fallback-cache`)
  fields.push('X-Forwarded-For', socket.remoteAddress ?? 'unknown', 'X-Forwarded-Proto', 'http')
  if (headers.host !== undefined) fields.push('X-Forwarded-Host', headers.host)
  return fields
}

const CONDITIONS = ['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'range']
const REPLACED = ['host', 'expect', 'via', 'x-forwarded-proto', 'x-forwarded-host']

/** Status and lines as the origin sent them, without what is for one connection only. */
function copyHead(incoming: IncomingMessage, response: ServerResponse): void {
  response.statusCode = incoming.statusCode ?? 502
  response.statusMessage = incoming.statusMessage ?? ''
  const removed = hopByHop(incoming)
  for (const [name, value] of linesOf(incoming)) {
    if (!removed.has(name.toLowerCase())) response.appendHeader(name, value)
  }
  response.appendHeader('Via', `${incoming.httpVersion} fallback-cache`)
}

/** Interim responses, as far as node can send them: 102 and 103. */
function passOn(interim: http.InformationEvent, request: IncomingMessage, response: ServerResponse): void {
  if (request.httpVersion === '1.0' || response.headersSent) return
  const hints: Record<string, string[]> = {}
  for (const [written, value] of linesOf(interim)) {
    const name = written.toLowerCase()
    hints[name] = [...(hints[name] ?? []), ...value.split(/,\s*(?=<)/)]
  }
  try {
    if (interim.statusCode === 102) response.writeProcessing()
    if (interim.statusCode === 103 && hints.link !== undefined) response.writeEarlyHints(hints)
  } catch {
    // A hint that node does not send is a hint lost.
  }
}

/** The fields that are for one connection only (RFC 9110, section 7.6.1). */
function hopByHop({ headers }: IncomingMessage): Set<string> {
  const known = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']
  const named = (headers.connection ?? '').toLowerCase().split(/[\s,]+/)
  // Content-Length frames the body that is sent on: without it the body would be read as a request.
  return new Set([...known, ...named.filter((name) => name !== 'content-length')])
}

function* linesOf({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): Generator<[name: string, value: string]> {
  for (let at = 0; at < rawHeaders.length; at += 2) yield [rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']
}

/** Answers what has been asked, and ends. */
function stop(): void {
  server.close(() => void cached.close().finally(() => settings.agent.destroy()))
}
