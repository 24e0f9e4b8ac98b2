import type { Clock } from '../../core/clock.js'

/** How far the message of an id is. */
export type Handling = 'begun' | 'done'

/** Where ids are taken among all processes. */
export interface SharedIds {
  take(id: string, milliseconds: number): Promise<'taken' | Handling | undefined>
  finish(id: string, milliseconds: number): Promise<void>
  release(id: string): Promise<void>
}

/** Ids that are remembered in this process. */
const MOST_IDS = 10_000

/** How long another process is believed to be at work on a message, in ms. */
const HANDLED_FOR = 15_000

/**
 * The ids of messages that were handled, in this process and, as long as Redis can be used, in all. One that is
 * forgotten is too old to be accepted.
 */
export class HandledIds {
  readonly #clock: Clock
  readonly #keptFor: number
  readonly #shared: () => SharedIds | undefined
  /** By the moment when they were met, the oldest first. */
  readonly #met = new Map<string, { readonly at: number; how: Handling }>()

  /**
   * @param keptFor - in ms
   * @param shared - returns `undefined` without Redis, and until its code is loaded
   */
  constructor(clock: Clock, keptFor: number, shared: () => SharedIds | undefined) {
    this.#clock = clock
    this.#keptFor = keptFor
    this.#shared = shared
  }

  /** Takes an id; `full` if too many are remembered to take another one. */
  async take(id: string): Promise<'taken' | Handling | 'full'> {
    const now = this.#clock.monotonic()
    for (const [met, { at }] of this.#met) {
      if (now - at < this.#keptFor) break
      this.#met.delete(met)
    }
    const known = this.#met.get(id)
    if (known !== undefined) return known.how
    if (this.#met.size >= MOST_IDS) return 'full'
    const own: { readonly at: number; how: Handling } = { at: now, how: 'begun' }
    this.#met.set(id, own)
    const taken = (await this.#shared()?.take(id, HANDLED_FOR)) ?? 'taken'
    if (taken === 'done') own.how = 'done'
    // Another process is at work: whether it succeeds is not known yet.
    if (taken === 'begun') this.#met.delete(id)
    return taken
  }

  /** Remembers that a message was handled. */
  async finish(id: string): Promise<void> {
    const own = this.#met.get(id)
    if (own !== undefined) own.how = 'done'
    await this.#shared()?.finish(id, this.#keptFor)
  }

  /** Forgets an id, because its message was not handled. */
  async release(id: string): Promise<void> {
    this.#met.delete(id)
    await this.#shared()?.release(id)
  }
}
