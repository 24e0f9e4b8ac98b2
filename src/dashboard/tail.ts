import { PassThrough, type Readable } from 'node:stream'
import type { CacheEvents, FallbackCache } from '../index.js'

/** Pages that may watch at the same time, in one process. */
const MOST_WATCHERS = 8

/** Events in one message; the page is told how many more there were. */
const MOST_AT_ONCE = 50

/** How often events are sent, in ms. */
const SEND_EVERY = 500

/** Characters that wait for a page to read them. */
const MOST_UNREAD = 100_000

/** After this time, in ms, a page has to ask again: it may no longer be permitted to watch. */
const LONGEST = 600_000

const NAMES = [
  'hit',
  'miss',
  'bypass',
  'store',
  'skip',
  'evict',
  'invalidate',
  'circuit',
  'outage',
  'recovery',
  'fault',
] as const satisfies readonly (keyof CacheEvents)[]

/** One event, in the form in which the page shows it. */
interface Told {
  readonly at: number
  readonly name: string
  readonly text: string
}

/** One page that watches. */
interface Watcher {
  readonly stream: PassThrough
  /** What the next message tells, and how many events it had no room for. */
  waiting: Told[]
  left: number
}

/** Shows the events of a cache while a page watches; listens to none otherwise. */
export class Tail {
  readonly #cache: FallbackCache
  readonly #watchers = new Set<Watcher>()
  /** One of each event for all pages: an emitter warns of many listeners. */
  readonly #listeners = NAMES.map((name) => ({ name, listener: (payload: object) => this.#tell(name, payload) }))

  constructor(cache: FallbackCache) {
    this.#cache = cache
  }

  /** A stream of server-sent events, or `undefined` if too many pages watch already. Ends when the cache is closed. */
  watch(): Readable | undefined {
    if (this.#watchers.size >= MOST_WATCHERS) return undefined
    const stream = new PassThrough()
    const watcher: Watcher = { stream, waiting: [], left: 0 }
    if (this.#watchers.size === 0) for (const { name, listener } of this.#listeners) this.#cache.on(name, listener)
    this.#watchers.add(watcher)
    const timer = setInterval(() => this.#send(watcher), SEND_EVERY).unref()
    // A page that does not read would never come to the end.
    const end = setTimeout(() => (stream.writableLength > 0 ? stream.destroy() : stream.end()), LONGEST).unref()
    stream.once('close', () => {
      clearInterval(timer)
      clearTimeout(end)
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) for (const { name, listener } of this.#listeners) this.#cache.off(name, listener)
    })
    stream.write('retry: 2000\n\n')
    return stream
  }

  #tell(name: Told['name'], payload: object): void {
    let told: Told | undefined
    for (const watcher of this.#watchers) {
      if (watcher.waiting.length >= MOST_AT_ONCE) watcher.left++
      else {
        told ??= { at: Date.now(), name, text: textOf(payload) }
        watcher.waiting.push(told)
      }
    }
  }

  #send(watcher: Watcher): void {
    const { stream, waiting, left } = watcher
    if (stream.writableEnded) return
    watcher.waiting = []
    // A page that does not read gets nothing more until it has, and then the number of events that it has missed.
    if (stream.writableLength > MOST_UNREAD) watcher.left = left + waiting.length
    else {
      watcher.left = 0
      stream.write(`data: ${JSON.stringify({ events: waiting, left })}\n\n`)
    }
    if (this.#cache.isClosed) stream.end()
  }
}

/** A payload in one line: names and values; errors by their message. */
function textOf(payload: object): string {
  return Object.entries(payload)
    .map(([name, value]) => `${name} ${value instanceof Error ? value.message : JSON.stringify(value)}`)
    .join(', ')
    .slice(0, 500)
}
