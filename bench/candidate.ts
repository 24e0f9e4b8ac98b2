import { createServer, type RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { catalog } from './candidates/catalog.js'
import { Handler, type Setup } from './candidates/setup.js'
import type { Question, Usage } from './server.js'

/** A window with fewer requests tells more of everything else. */
const fewest = 20

const setup = JSON.parse(process.argv[2] ?? '{}') as Setup
const handler = new Handler(setup)
const entry = catalog[setup.candidate]
if (entry === undefined) throw new Error(`no candidate is called ${setup.candidate}`)
const { listener, memoryBytes, answered } = await (await entry.open())(setup, handler)
let requests = 0
// A server is counted by what its candidate says: who listens for its requests changes what it does with them.
const server = listener instanceof Server ? listener : createServer(setup.isBare ? listener : counting(listener))
// A load generator that ends breaks its connections.
server.on('clientError', (_error, socket) => socket.destroy())
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))

// Under what counts instructions, seconds may pass between two requests of a connection.
if (setup.isBare) server.keepAliveTimeout = 0

let last = { requests, cpu: process.cpuUsage() }
const windows: number[] = []
let delay: IntervalHistogram | undefined
let gcTime = 0
if (!setup.isBare) {
  setInterval(closeWindow, 100)
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcTime += duration * 1000
  }).observe({ entryTypes: ['gc'] })
}

process.on('message', (question: Question) => {
  // A whole collection that gives the room for young objects back as well: it is V8's, however much is kept.
  if (question === 'usage after gc') globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  if (question === 'watch delay') watchDelay()
  const { user, system } = process.cpuUsage()
  const usage: Usage = {
    pid: process.pid,
    cpu: windows.splice(0),
    totalCpu: user + system,
    gcTime: setup.isBare ? undefined : gcTime,
    pageFaults: process.resourceUsage().minorPageFault,
    rss: process.memoryUsage.rss(),
    heapUsed: process.memoryUsage().heapUsed,
    memoryBytes: memoryBytes?.(),
    runs: handler.runs,
    delayP99: delay === undefined ? undefined : delay.percentile(99) / 1e6,
  }
  // What comes now is measured by itself.
  if (answered !== undefined) requests = answered()
  last = { requests, cpu: process.cpuUsage() }
  process.send?.(usage)
})
process.on('disconnect', () => process.exit(0))

function counting(listener: RequestListener): RequestListener {
  return (req, res) => {
    requests += 1
    listener(req, res)
  }
}

function closeWindow(): void {
  const { user, system } = process.cpuUsage(last.cpu)
  if (answered !== undefined) requests = answered()
  const done = requests - last.requests
  if (done >= fewest) windows.push((user + system) / done)
  last = { requests, cpu: process.cpuUsage() }
}

function watchDelay(): void {
  delay?.disable()
  delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
}
