import { PassThrough, type Readable } from 'node:stream'
import type { CacheEvents, FallbackCache } from '../index.js'

/** Pages that may watch at the same time, in one process. */
const MOST_WATCHERS = 8

/** Events in one message; the page is told how many more there were. */
const MOST_AT_ONCE = 50

/** How often events are sent, in ms. */
const SEND_EVERY = 500

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

/** Shows the events of a cache while a page watches; listens to none otherwise. */
export class Tail {
  readonly #cache: FallbackCache
  #watchers = 0

  constructor(cache: FallbackCache) {
    this.#cache = cache
  }

  /** A stream of server-sent events, or `undefined` if too many pages watch already. */
  watch(): Readable | undefined {
    if (this.#watchers >= MOST_WATCHERS) return undefined
    this.#watchers++
    const stream = new PassThrough()
    let waiting: Told[] = []
    let left = 0
    const listeners = NAMES.map((name) => {
      const listener = (payload: object): void => {
        if (waiting.length < MOST_AT_ONCE) waiting.push({ at: Date.now(), name, text: textOf(payload) })
        else left++
      }
      this.#cache.on(name, listener)
      return { name, listener }
    })
    const send = (): void => {
      // A page that does not read gets nothing more until it has.
      if (stream.writableLength > 100_000) left += waiting.length
      else stream.write(`data: ${JSON.stringify({ events: waiting, left })}\n\n`)
      waiting = []
      left = 0
    }
    const timer = setInterval(send, SEND_EVERY).unref()
    const end = setTimeout(() => stream.end(), LONGEST).unref()
    stream.once('close', () => {
      clearInterval(timer)
      clearTimeout(end)
      for (const { name, listener } of listeners) this.#cache.off(name, listener)
      this.#watchers--
    })
    stream.write('retry: 2000\n\n')
    return stream
  }
}

/** A payload in one line: names and values; errors by their message. */
function textOf(payload: object): string {
  return Object.entries(payload)
    .map(([name, value]) => `${name} ${value instanceof Error ? value.message : JSON.stringify(value)}`)
    .join(', ')
    .slice(0, 500)
}
