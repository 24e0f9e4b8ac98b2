import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream'
import { parseArgs } from 'node:util'
import { fallbackCache } from 'fallback-cache/express'

// A caching reverse proxy in front of any origin:
//   npx tsx examples/reverse-proxy.ts http://localhost:8000 --port 8001
// --keep-host sends the client's Host on instead of the origin's. With REDIS_URL responses live in Redis too.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string', default: '8001' }, 'keep-host': { type: 'boolean', default: false } },
})
const [target] = positionals
if (target === undefined || !URL.canParse(target)) {
  console.error('Usage: npx tsx examples/reverse-proxy.ts <origin URL> [--port 8001] [--keep-host]')
  process.exit(2)
}
const origin = new URL(target)
const requestOrigin = origin.protocol === 'https:' ? httpsRequest : httpRequest
const cached = fallbackCache({ preset: 'proxy', maxEntries: 10_000, redis: process.env.REDIS_URL })

const server = createServer((request, response) => {
  cached(request, response, (error) => (error === undefined ? forward(request, response) : fail(response)))
})
server.listen(Number(values.port), () => console.log('listening', server.address()))

/** Asks the origin, and streams both ways. */
function forward(request: IncomingMessage, response: ServerResponse, isRetry = false): void {
  const { method, url, headers } = request
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  const outgoing = requestOrigin(origin, { method, path: url, headers: requestFields(request) })
  outgoing.on('information', ({ statusCode, headers: hints }) => {
    if (statusCode === 102) response.writeProcessing()
    if (statusCode === 103 && hints.link !== undefined) response.writeEarlyHints({ link: hints.link })
  })
  outgoing.on('response', (incoming) => {
    response.statusCode = incoming.statusCode ?? 502
    response.statusMessage = incoming.statusMessage ?? ''
    const removed = hopByHop(incoming)
    eachLine(incoming.rawHeaders, (name, value) => {
      if (!removed.has(name.toLowerCase())) response.appendHeader(name, value)
    })
    response.appendHeader('Via', `${incoming.httpVersion} fallback-cache`)
    pipeline(incoming, response, () => {})
  })
  outgoing.on('error', () => {
    // A connection that was kept open may have been closed by the origin just now.
    const mayRetry = outgoing.reusedSocket && !isRetry && !hasBody && !response.headersSent
    if (mayRetry) forward(request, response, true)
    else fail(response)
  })
  response.on('close', () => outgoing.destroy())
  if (hasBody) pipeline(request, outgoing, () => {})
  else outgoing.end()
}

/** The origin did not answer. In place of this the cache sends a stale response, where it may. */
function fail(response: ServerResponse): void {
  if (response.headersSent) return void response.destroy()
  response.statusCode = 504
  response.end('The origin does not answer.\n')
}

/** The fields as the cache wants them sent (`headers`), under the names that the client wrote (`rawHeaders`). */
function requestFields(request: IncomingMessage): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {}
  const removed = hopByHop(request).add('host').add('expect')
  const written = new Map<string, string>()
  eachLine(request.rawHeaders, (name) => written.set(name.toLowerCase(), name))
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !removed.has(name)) fields[written.get(name) ?? name] = value
  }
  const { via, host = '', 'transfer-encoding': coding } = request.headers
  if (coding !== undefined) fields['Transfer-Encoding'] = 'chunked'
  fields[written.get('via') ?? 'Via'] = `${via === undefined ? '' : `${via}, `}${request.httpVersion} fallback-cache`
  fields.Host = values['keep-host'] ? host : origin.host
  return fields
}

/** The fields that are for one connection only (RFC 9110, section 7.6.1). */
function hopByHop({ headers }: IncomingMessage): Set<string> {
  const named = (headers.connection ?? '').toLowerCase().split(',')
  const known = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']
  return new Set([...known, ...named.map((name) => name.trim())])
}

function eachLine(raw: readonly string[], visit: (name: string, value: string) => void): void {
  for (let at = 0; at < raw.length; at += 2) visit(raw[at] ?? '', raw[at + 1] ?? '')
}
