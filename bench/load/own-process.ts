import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Driven, Load } from './load.js'

// A load generator for what wrk cannot do, and for machines without it: keep-alive connections with one request at a
// time each. It reads no more of an answer than its status and its Content-Length.

const { port, load, call } = JSON.parse(readFileSync(0, 'utf8')) as {
  readonly port: number
  readonly load: Load
  readonly call: number
}
const method = load.method ?? 'GET'
const fields = Object.entries(load.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`)
const length = method === 'POST' ? 'Content-Length: 0\r\n' : ''
const rest = ` HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${length}${fields.join('')}\r\n`
const requests = load.paths.map((path) => `${method} ${path}${rest}`)
const latencies: number[] = []
let errors = 0
let sent = 0

/** A connection: given the moment a request was due, it sends one now. */
type Send = (dueAt: number) => void

/** Connections that have nothing to do. */
const idle: Send[] = []
/** Moments at which requests were due that no connection was free for. */
const waiting: number[] = []
let nextWaiting = 0

const begun = performance.now()
const end = begun + load.seconds * 1000
const closed = Array.from({ length: load.connections }, () => open())
if (load.rate === undefined) await Promise.all(closed)
else {
  await sleep(50)
  await sendAtRate(load.rate)
  // What is under way is part of the figures, within reason.
  for (const patience = performance.now() + 1000; performance.now() < patience; await sleep(5)) {
    if (latencies.length + errors >= sent && nextWaiting >= waiting.length) break
  }
}
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
process.exit(0)

/** Sends when it is time, and looks at the sockets in between; timers alone would come a millisecond late. */
async function sendAtRate(rate: number): Promise<void> {
  const start = performance.now()
  const total = Math.round(rate * load.seconds)
  for (let at = 0; at < total; ) {
    const now = performance.now()
    for (; at < total; at++) {
      const dueAt = start + (at * 1000) / rate
      if (dueAt > now) break
      const send = idle.pop()
      if (send === undefined) waiting.push(dueAt)
      else send(dueAt)
    }
    const left = start + (at * 1000) / rate - performance.now()
    if (left > 2) await sleep(1)
    else await new Promise((resolve) => setImmediate(resolve))
  }
}

function nextRequest(): string {
  sent += 1
  if (load.unique === true) return `${method} ${load.paths[0]}-${call}-${sent}${rest}`
  return requests[sent % requests.length] ?? ''
}

/** Opens a connection; resolves when it is closed. */
function open(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let askedAt = 0
    let left = -1
    const send: Send = (dueAt) => {
      askedAt = dueAt
      left = -1
      socket.write(nextRequest())
    }
    const next = (): void => {
      if (load.rate !== undefined) {
        const dueAt = waiting[nextWaiting]
        if (dueAt === undefined) idle.push(send)
        else {
          nextWaiting += 1
          send(dueAt)
        }
      } else if (performance.now() < end) send(performance.now())
      else socket.destroy()
    }
    socket.on('connect', next)
    socket.on('data', (chunk: Buffer) => {
      left = left < 0 ? missing(chunk) : left - chunk.length
      if (left > 0) return
      latencies.push(performance.now() - askedAt)
      next()
    })
    socket.on('error', () => {
      errors += 1
    })
    socket.on('close', () => resolve())
  })
}

/** How many bytes are still to come after the first chunk, which holds the whole head. */
function missing(chunk: Buffer): number {
  const headEnd = chunk.indexOf('\r\n\r\n')
  const head = chunk.toString('latin1', 0, headEnd)
  const status = Number(head.slice(9, 12))
  if (headEnd < 0 || status < 200 || status > 399) errors += 1
  if (status === 304 || method === 'HEAD') return 0
  return Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0) - (chunk.length - headEnd - 4)
}
