import http, { type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream'
import { parseArgs } from 'node:util'
import { fallbackCache } from 'fallback-cache/express'
import { createProxyServer } from 'httpxy'

// A caching reverse proxy in front of any origin; httpxy forwards:
//   npm install --save-dev tsx httpxy
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
const agent = new (origin.protocol === 'https:' ? https : http).Agent({ keepAlive: true })
const limits = { timeout: Number(values.timeout), maxHeaderSize: 2 ** 16 }
const cached = fallbackCache({ preset: 'proxy', ...(process.env.REDIS_URL && { redis: process.env.REDIS_URL }) })
const proxy = createProxyServer({ target: origin, agent, prependPath: false, selfHandleResponse: true })

const HOP_BY_HOP = [
  ...['connection', 'http2-settings', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade'],
]

/** Connection has no say in fields that frame a message, or that are for all who get it. */
const END_TO_END: ReadonlySet<string> = new Set(['cache-control', 'content-length', 'host', 'set-cookie', 'vary'])

/** A host and a port, without userinfo, which hides which host is meant (RFC 9110, sections 4.2.4 and 7.2). */
const HOST = /^(\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i

const server = http.createServer({ maxHeaderSize: limits.maxHeaderSize }, (request, response) => {
  const refusal = clean(request)
  if (refusal !== undefined) return fail(response, refusal)
  cached(request, response, (error) => (error === undefined ? forward(request, response) : fail(response, 500)))
})
// Of more than 1,000 fields node drops those that come last, which may frame the message.
server.maxHeadersCount = 0
server.listen(Number(values.port), values.host, () => console.log('listening', server.address()))
process.once('SIGTERM', stop).once('SIGINT', stop)

/** A request that was sent on, and how it goes. */
interface Sent {
  outgoing?: ClientRequest
  answer?: IncomingMessage
  isLate?: boolean
}
const sent = new WeakMap<IncomingMessage, Sent>()

/** Asks the origin, and streams both ways. */
function forward(request: IncomingMessage, response: ServerResponse, isRetry = false): void {
  const state: Sent = {}
  sent.set(request, state)
  // httpxy hands on to http.request what it finds under `ssl`, https or not.
  proxy.web(request, response, { ssl: { ...limits } }).catch(() => {
    const { outgoing, answer, isLate } = state
    // Bytes beyond what was announced are no part of the response (RFC 9112, section 6.3).
    if (answer?.complete) return
    // A connection that was kept open may have been closed by the origin just now.
    const mayRetry = outgoing?.reusedSocket && !isRetry && !isLate && answer === undefined && isRepeatable(request)
    if (mayRetry && !response.headersSent && !response.destroyed) forward(request, response, true)
    else fail(response, isLate ? 504 : 502)
  })
}

proxy.on('proxyReq', (outgoing, request, response) => {
  const state = sent.get(request) ?? {}
  state.outgoing = outgoing
  const { headers, httpVersion, socket, url = '/' } = request
  outgoing.path = url
  outgoing.setHeader('Host', (values['keep-host'] && headers.host) || origin.host)
  outgoing.setHeader('Via', appended(headers.via, `${httpVersion} fallback-cache`))
  outgoing.setHeader('X-Forwarded-For', appended(headers['x-forwarded-for'], socket.remoteAddress ?? 'unknown'))
  outgoing.setHeader('X-Forwarded-Proto', 'http')
  if (headers.host === undefined) outgoing.removeHeader('X-Forwarded-Host')
  else outgoing.setHeader('X-Forwarded-Host', headers.host)
  outgoing.on('information', (interim) => passOn(interim, request, response))
  outgoing.on('upgrade', (_incoming, upgraded) => void upgraded.destroy(fail(response, 502)))
  // For node, a body without a length is complete when its connection is reset, too.
  outgoing.on('error', () => void (state.answer?.complete === false && response.destroy()))
  outgoing.once('timeout', () => {
    state.isLate = true
    outgoing.destroy(new Error('the origin takes too long'))
  })
  // What the origin sent over an idle connection answers no request, least of all this one.
  if (outgoing.reusedSocket && outgoing.socket?.readableLength) outgoing.destroy(new Error('an answer to no request'))
})

proxy.on('proxyRes', (incoming, request, response) => {
  Object.assign(sent.get(request) ?? {}, { answer: incoming })
  try {
    copyHead(incoming, response)
  } catch {
    // Node's parser takes heads that node does not send.
    fail(response, 502)
    return void incoming.destroy()
  }
  pipeline(incoming, response, () => {})
})

/** The request cannot be sent on, or its answer cannot be understood. In place of 502 and 504 the cache sends a stale response, where it may. */
function fail(response: ServerResponse, status: number): undefined {
  if (response.writableEnded) return
  if (response.headersSent) return void response.destroy()
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.writeHead(status, http.STATUS_CODES[status], { 'Content-Type': 'text/plain' })
  response.end(`${http.STATUS_CODES[status]}\n`)
}

/**
 * Makes of a request what the origin is going to see, before the cache sees it.
 *
 * @returns the status with which it is answered here, if it is
 */
function clean(request: IncomingMessage): number | undefined {
  const { headers, headersDistinct, httpVersion, method } = request
  // `GET http://host/path` names the host better than Host does (RFC 9112, section 3.2.2).
  const [, host, path = ''] = /^https?:\/\/([^/?#]+)([^#]*)/i.exec(request.url ?? '') ?? []
  const hosts = [...(headersDistinct.host ?? []), host ?? '']
  if (hosts.length > 2 || !hosts.every((name) => HOST.test(name))) return 400
  if (host !== undefined) [headers.host, request.url] = [host, path.replace(/^(?!\/)/, '/')]
  const coding = headers['transfer-encoding']
  for (const name of hopByHop(headers)) delete headers[name]
  delete headers.expect
  const hops = /^(?:OPTIONS|TRACE) (\d+)$/.exec(`${method} ${headers['max-forwards']}`)?.[1]
  if (Number(hops) === 0) return method === 'OPTIONS' ? 200 : 501
  if (hops !== undefined) headers['max-forwards'] = String(Math.min(Number(hops) - 1, 255))
  if (coding === undefined) return undefined
  // Without a length and without this, a body of GET or DELETE would be read as the next request.
  headers['transfer-encoding'] = 'chunked'
  if (httpVersion === '1.0') return 400
  return coding.toLowerCase() === 'chunked' ? undefined : 501
}

function isRepeatable({ method, headers }: IncomingMessage): boolean {
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  return (method === 'GET' || method === 'HEAD') && !hasBody
}

function appended(list: string | string[] | undefined, member: string): string {
  return list === undefined ? member : `${list}, ${member}`
}

/** Status and lines as the origin sent them, without what is for one connection only. */
function copyHead(incoming: IncomingMessage, response: ServerResponse): void {
  const { statusCode = 0, statusMessage = '', headers, rawHeaders, httpVersion } = incoming
  const coding = headers['transfer-encoding'] ?? 'chunked'
  if (httpVersion === '0.9' || statusCode < 200 || coding.toLowerCase() !== 'chunked' || rawHeaders.length >= 2000)
    throw new RangeError('a response that cannot be sent')
  http.validateHeaderValue('Reason-Phrase', statusMessage)
  const removed = hopByHop(headers)
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]]
    if (!removed.has(name.toLowerCase())) response.appendHeader(name, value)
  }
  if (statusCode === 204) response.removeHeader('Content-Length')
  response.appendHeader('Via', `${httpVersion} fallback-cache`)
  response.statusCode = statusCode
  response.statusMessage = statusMessage
}

/** Interim responses, as far as node can send them: 102 and 103. */
function passOn(interim: http.InformationEvent, request: IncomingMessage, response: ServerResponse): void {
  const { statusCode, headers } = interim
  if (request.httpVersion === '1.0' || response.headersSent) return
  try {
    if (statusCode === 102) response.writeProcessing()
    for (const name of hopByHop(headers).add('content-length')) delete headers[name]
    const link = String(headers.link ?? '').split(/,\s*(?=<)/)
    if (statusCode === 103) response.writeEarlyHints({ ...(headers as Record<string, string>), link })
  } catch {
    // A hint that node does not send is a hint lost.
  }
}

/** The names of the fields that are for one connection only (RFC 9110, section 7.6.1). */
function hopByHop({ connection = '' }: http.IncomingHttpHeaders): Set<string> {
  const named = connection.toLowerCase().split(/[\s,]+/)
  return new Set([...HOP_BY_HOP, ...named.filter((name) => !END_TO_END.has(name))])
}

/** Answers what has been asked, and ends. */
function stop(): void {
  server.close(() => void cached.close().finally(() => agent.destroy()))
}
