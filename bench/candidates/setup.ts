import type { RequestListener, Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Page, pageOf } from '../page.js'

/** How a candidate is started; as JSON in its argument. */
export interface Setup {
  readonly candidate: string
  /** Bytes of a page. */
  readonly size: number
  /** Milliseconds a handler takes beside its work. */
  readonly delay: number
  /** How many entries memory may hold. */
  readonly maxEntries: number
  /** 0: there is none. */
  readonly redisPort: number
}

/** A server to be measured. */
export interface Candidate {
  readonly listener: RequestListener
  /** Its own server, where it makes one. */
  readonly server?: Server
  /** Bytes that the candidate says its memory holds. */
  memoryBytes?(): number
}

/** Makes a candidate. */
export type Open = (setup: Setup, handler: Handler) => Candidate | Promise<Candidate>

/** The work of the application: the same for all. Counts how often it was asked. */
export class Handler {
  runs = 0
  readonly #setup: Setup

  constructor(setup: Setup) {
    this.#setup = setup
  }

  /** The page, or a promise of it for a handler that takes its time. */
  page(id: string): Page | Promise<Page> {
    this.runs += 1
    const page = pageOf(id, this.#setup.size)
    return this.#setup.delay === 0 ? page : sleep(this.#setup.delay, page)
  }
}
