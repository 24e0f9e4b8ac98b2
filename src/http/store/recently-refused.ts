import type { Clock } from '../../core/clock.js'
import type { Reason } from '../rules/reasons.js'

/** As many keys as this are remembered at most; past it, those refused longest ago are forgotten. */
const MEMORY = 10_000

/** So many refusals are remembered with their reason. */
const REASONS_KEPT = 1_000

/** Longer keys are not remembered. */
const MAX_LENGTH = 1_024

/** Why the last response of a key was not stored, and when. */
export interface RecentRefusal {
  readonly reason: Reason
  /** The input of the run that the reason is about (`cookie:theme`), if it is about one. */
  readonly input?: string
  /** Epoch ms. */
  readonly at: number
}

/**
 * Keys whose responses were lately not stored. Their requests go to the handler side by side: to let them wait for one
 * another would serialise traffic that no response can ever serve ("hit for miss").
 */
export class RecentlyRefused {
  readonly #clock: Clock
  readonly #until = new Map<string, number>()
  readonly #refusals = new Map<string, RecentRefusal>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Remembers a key for so many milliseconds. */
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

  /** Writes down why a response was refused, for whoever asks afterwards; {@link has} does not know of it. */
  note(key: string, reason: Reason, input = ''): void {
    const at = this.#clock.now()
    remember(this.#refusals, REASONS_KEPT, key, input === '' ? { reason, at } : { reason, at, input })
  }

  /** Why the last response of this key was refused; `undefined`: it was not, or that is forgotten. */
  last(key: string): RecentRefusal | undefined {
    return this.#refusals.get(key)
  }

  /** A response of this key was stored after all. */
  delete(key: string): void {
    if (this.#until.size > 0) this.#until.delete(key)
    if (this.#refusals.size > 0) this.#refusals.delete(key)
  }
}

function remember<T>(map: Map<string, T>, limit: number, key: string, value: T): void {
  // How long a path is, is up to clients: ten thousand long ones would not be forgotten soon enough.
  if (key.length > MAX_LENGTH) return
  map.delete(key)
  map.set(key, value)
  if (map.size <= limit) return
  const { value: oldest } = map.keys().next()
  if (oldest !== undefined) map.delete(oldest)
}
