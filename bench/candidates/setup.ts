import type { RequestListener, Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Page, pageOf } from '../page.js'

/** How a candidate is started; as JSON in its argument. */
export interface Setup {
  readonly candidate: string
  /** Bytes of a page. */
  readonly size: number
  /** Bytes of a page whose id begins with `large`. */
  readonly largeSize: number
  /** Milliseconds a handler takes beside its work. */
  readonly delay: number
  /** Header fields that the handler sets beside those of its framework. */
  readonly fields: number
  /** How many entries memory may hold. */
  readonly maxEntries: number
  /** 0: there is none. */
  readonly redisPort: number
  /** Whether the process does nothing but serve: its instructions are counted. */
  readonly isBare: boolean
  /** Whether it is built from the other checkout, which `--before` names. */
  readonly isBefore: boolean
}

/** What is served where a scenario asks for nothing else. */
export const defaults: Omit<Setup, 'candidate'> = {
  size: 1024,
  largeSize: 65_536,
  delay: 0,
  fields: 0,
  maxEntries: 20_000,
  redisPort: 0,
  isBare: false,
  isBefore: false,
}

/** What the cache of a candidate may hold: all that is asked for. */
export function boundsOf({ maxEntries, size, largeSize }: Setup): {
  readonly maxEntries: number
  readonly maxBytes: number
  readonly maxBodySize: number
} {
  return { maxEntries, maxBytes: 2 ** 30, maxBodySize: Math.max(2 ** 20, size, largeSize) + 1024 }
}

/** A server to be measured: a listener for one, or one that does not listen yet. */
export interface Candidate {
  readonly listener: RequestListener | Server
  /** How many requests it has answered, where the listener is a server. */
  answered?(): number
  /** Bytes that the candidate says its memory holds. */
  memoryBytes?(): number
}

/** Makes a candidate. */
export type Open = (setup: Setup, handler: Handler) => Candidate | Promise<Candidate>

/** Milliseconds between the two halves of a streamed answer. */
export const streamPause = 20

/** The work of the application: the same for all. Counts how often it was asked. */
export class Handler {
  runs = 0
  /** The fields that it sets. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly #setup: Setup

  constructor(setup: Setup) {
    this.#setup = setup
    this.fields = fieldsOf(setup.fields)
  }

  /** The page, or a promise of it for a handler that takes its time. */
  page(id: string): Page | Promise<Page> {
    this.runs += 1
    const page = pageOf(id, id.startsWith('large') ? this.#setup.largeSize : this.#setup.size)
    return this.#setup.delay === 0 ? page : sleep(this.#setup.delay, page)
  }

  /** The page as text in two halves, the second one some time after the first. */
  async *stream(id: string): AsyncGenerator<Buffer> {
    this.runs += 1
    const text = Buffer.from(JSON.stringify(pageOf(id, this.#setup.size)))
    const middle = text.length >> 1
    yield text.subarray(0, middle)
    await sleep(streamPause)
    yield text.subarray(middle)
  }
}

/** So many header fields, such as applications send. */
export function fieldsOf(count: number): readonly (readonly [name: string, value: string])[] {
  return Array.from({ length: count }, (_, at) => [`X-Field-${at}`, `value-${at}-lorem-ipsum`] as const)
}
