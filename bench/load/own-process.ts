import { connect, type Socket } from 'node:net'
import type { Driven, Load } from './load.js'

// A load generator for machines without wrk: keep-alive connections with one request at a time each. It reads no more of
// an answer than its status and its Content-Length.

const { port, load, call } = JSON.parse(process.argv[2] ?? '') as {
  readonly port: number
  readonly load: Load
  readonly call: number
}
const fields = Object.entries(load.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`)
const rest = ` HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${fields.join('')}\r\n`
const requests = load.paths.map((path) => `GET ${path}${rest}`)
const latencies: number[] = []
let errors = 0
let sent = 0
const begun = performance.now()
const end = begun + load.seconds * 1000

await Promise.all(Array.from({ length: load.connections }, run))
const elapsed = (performance.now() - begun) / 1000
latencies.sort((one, other) => one - other)
const driven: Driven = {
  requests: latencies.length,
  perSecond: latencies.length / elapsed,
  p50: latencies[Math.floor(latencies.length * 0.5)] ?? Number.NaN,
  p99: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
  errors,
}
console.log(JSON.stringify(driven))

function nextRequest(): string {
  sent += 1
  if (load.unique === true) return `GET ${load.paths[0]}-${call}-${sent}${rest}`
  return requests[sent % requests.length] ?? ''
}

function run(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let askedAt = 0
    let left = -1
    const ask = (): void => {
      if (performance.now() >= end) {
        socket.destroy()
        return
      }
      askedAt = performance.now()
      left = -1
      socket.write(nextRequest())
    }
    socket.on('connect', ask)
    socket.on('data', (chunk: Buffer) => {
      left = left < 0 ? missing(chunk, socket) : left - chunk.length
      if (left > 0) return
      latencies.push(performance.now() - askedAt)
      ask()
    })
    socket.on('error', () => {
      errors += 1
    })
    socket.on('close', () => resolve())
  })
}

/** How many bytes are still to come after the first chunk, which holds the whole head. */
function missing(chunk: Buffer, socket: Socket): number {
  const headEnd = chunk.indexOf('\r\n\r\n')
  const head = chunk.toString('latin1', 0, headEnd)
  const status = Number(head.slice(9, 12))
  if (headEnd < 0 || status < 200 || status > 399) {
    errors += 1
    if (headEnd < 0) socket.destroy()
  }
  if (status === 304) return 0
  return Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0) - (chunk.length - headEnd - 4)
}
