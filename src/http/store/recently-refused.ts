import type { Clock } from '../../core/clock.js'
import type { Reason } from '../rules/reasons.js'

/** Maximum number of remembered keys; the oldest refusals are dropped first. */
const MEMORY = 10_000

/** Maximum number of refusals remembered with their reason. */
const REASONS_KEPT = 1_000

/** Longer keys are not remembered. */
const MAX_LENGTH = 1_024

/** The reason why the last response of a key was not stored, and when. */
export interface RecentRefusal {
  readonly reason: Reason
  /** The input that caused the refusal (`cookie:theme`), if any. */
  readonly input?: string
  /** Epoch ms. */
  readonly at: number
}

/**
 * Remembers keys whose responses were recently not stored ("hit for miss"). Their requests run the handler
 * concurrently: waiting for one another would serialize requests that no stored response can answer.
 */
export class RecentlyRefused {
  readonly #clock: Clock
  readonly #until = new Map<string, number>()
  readonly #refusals = new Map<string, RecentRefusal>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Remembers a key for `duration` milliseconds. */
  add(key: string, duration: number): void {
    remember(this.#until, MEMORY, key, this.#clock.monotonic() + duration)
  }

  has(key: string): boolean {
    const until = this.#until.get(key)
    if (until === undefined) return false
    if (this.#clock.monotonic() < until) return true
    this.#until.delete(key)
    return false
  }

  /** Records the reason of a refusal for later inspection; does not affect {@link has}. */
  note(key: string, reason: Reason, input = ''): void {
    const at = this.#clock.now()
    remember(this.#refusals, REASONS_KEPT, key, input === '' ? { reason, at } : { reason, at, input })
  }

  /** The last recorded refusal of this key; `undefined` if there is none or it was dropped. */
  last(key: string): RecentRefusal | undefined {
    return this.#refusals.get(key)
  }

  /** Removes a key, because a response was stored after all. */
  delete(key: string): void {
    if (this.#until.size > 0) this.#until.delete(key)
    if (this.#refusals.size > 0) this.#refusals.delete(key)
  }
}

function remember<T>(map: Map<string, T>, limit: number, key: string, value: T): void {
  // Clients choose the length of a path, so long keys could take much memory.
  if (key.length > MAX_LENGTH) return
  map.delete(key)
  map.set(key, value)
  if (map.size <= limit) return
  const { value: oldest } = map.keys().next()
  if (oldest !== undefined) map.delete(oldest)
}
