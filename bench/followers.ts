import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { fallbackCache } from '../src/middleware/express.js'

// npm run bench:followers: how long clients wait for the first byte of a page that is being made for another client, how often
// its handler runs, and how much processor time the longest turn of the server's event loop takes. The server is a process of its own.

/** What the server tells of itself. */
interface Told {
  readonly runs: number
  /** Processor time of the longest turn of the event loop, ms. */
  readonly longestTurn: number
  readonly external: number
}

const CROWDS = [1, 10, 500]

const PAGES = {
  '/whole': 'a page that takes 1.5 s, sent as a whole',
  '/short': 'a stream that ends 400 ms after its head',
  '/slow': 'a stream that ends 3 s after its head',
  '/endless': 'a stream that never ends',
  '/unread': 'a large stream whose first client does not read',
}

if (process.argv[2] === 'serve') serve()
else await measure()

function serve(): void {
  const cached = fallbackCache({ ttl: 60, maxEntries: 10_000 })
  let runs = 0
  let crowd = 0
  // What counts is how they are released: that 500 connections come in at once is not the cache's doing.
  let longestTurn = 0
  let used = process.cpuUsage()
  setInterval(() => {
    const { user, system } = process.cpuUsage(used)
    used = process.cpuUsage()
    longestTurn = Math.max(longestTurn, (user + system) / 1_000)
    if (crowd === 0 || cached.stats().waiting < crowd) return
    crowd = 0
    longestTurn = 0
  }, 1)
  const server = createServer((request, response) => {
    cached(request, response, () => {
      runs += 1
      const [, page = '', name = ''] = /^\/(\w+)\/(.*)/.exec(request.url ?? '') ?? []
      response.setHeader('Content-Type', 'text/plain')
      if (page === 'whole') setTimeout(() => response.end('x'.repeat(20_000)), 1_500)
      else if (page === 'unread' || page === 'stalled') large().pipe(response)
      else drip(page === 'short' ? 400 : page === 'slow' ? 3_000 : 60_000, name).pipe(response)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.on('message', (question) => {
    if (typeof question === 'number') {
      crowd = question
      runs = 0
      longestTurn = 0
    }
    globalThis.gc?.()
    const told: Told = { runs, longestTurn, external: process.memoryUsage().external }
    process.send?.(told)
  })
}

/** A line each 50 ms, for so many milliseconds. */
function drip(duration: number, name: string): Readable {
  const until = performance.now() + duration
  return Readable.from(
    (async function* () {
      for (let line = 0; performance.now() < until; line += 1) {
        yield `${name} ${line}\n`
        await sleep(50)
      }
    })(),
  )
}

/** 960 KB at the reader's pace: as much as is stored unless an option says otherwise. */
function large(): Readable {
  return Readable.from(Array.from({ length: 15 }, () => Buffer.alloc(65_536, 'x')))
}

async function measure(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], { execArgv: [...process.execArgv, '--expose-gc'] })
  const [port] = (await once(child, 'message')) as [number]
  const tell = async (question: number | 'end'): Promise<Told> => {
    child.send(question)
    return (await once(child, 'message'))[0] as Told
  }
  try {
    console.log('| page | followers | first byte: median | last | handler runs | longest turn of the server |')
    console.log('|---|---|---|---|---|---|')
    for (const [page, title] of Object.entries(PAGES)) {
      for (const crowd of CROWDS) {
        const path = `${page}/${crowd}`
        await tell(crowd)
        const first = page === '/unread' ? await stall(port, path) : undefined
        const leader = first === undefined ? firstByte(port, path) : undefined
        await sleep(page === '/whole' ? 20 : 100)
        const followers = Array.from({ length: crowd }, () => firstByte(port, path))
        const times = (await Promise.all(followers)).map(({ ms }) => ms).sort((one, other) => one - other)
        const { runs, longestTurn } = await tell('end')
        const median = times[Math.floor(times.length / 2)] ?? 0
        const cells = [title, crowd, ms(median), ms(times.at(-1) ?? 0), runs, ms(longestTurn)]
        console.log(`| ${cells.join(' | ')} |`)
        first?.destroy()
        for (const one of [leader, ...followers]) (await one)?.leave()
        await sleep(200)
      }
    }
    const before = await tell(0)
    const stalled: Socket[] = []
    for (let i = 0; i < 500; i++) stalled.push(await stall(port, `/stalled/${i}`))
    await sleep(1_000)
    const after = await tell('end')
    const held = (after.external - before.external) / 2 ** 20
    console.log(`\n500 clients that do not read a stream of 960 KB each: ${held.toFixed(0)} MiB outside of V8's heap`)
    for (const socket of stalled) socket.destroy()
  } finally {
    child.kill()
  }
}

function ms(time: number): string {
  return `${time.toFixed(0)} ms`
}

/** Asks for a page. @returns how long its first byte took, and how to leave it */
function firstByte(port: number, path: string): Promise<{ readonly ms: number; leave(): void }> {
  const askedAt = performance.now()
  return new Promise((resolve, reject) => {
    const request = get({ port, path, agent: false }, (response) => {
      response.once('data', () => resolve({ ms: performance.now() - askedAt, leave: () => request.destroy() }))
    })
    request.once('error', reject)
  })
}

/** Asks for a page over a connection with a small window, and reads nothing. */
async function stall(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  return socket
}
