import type { CacheEngine } from '../../core/engine.js'
import type { RunMark } from '../../core/mark.js'
import type { RecentlyRefused } from '../store/recently-refused.js'
import type { RunsUnderWay } from './decision.js'
import { Flight, type Landing } from './flight.js'
import type { ProtocolParts } from './protocol-parts.js'

/** So many requests wait for handlers that run for others. */
const MAX_WAITING = 10_000

/** How long requests of a key go on side by side after its body was slow to end, in milliseconds. */
const SLOW_FOR = 10_000

/** The runs of handlers that other requests may wait for, one a storage key at most. */
export class Flights implements RunsUnderWay {
  readonly #cache: CacheEngine
  readonly #limit: number
  readonly #recentlyRefused: RecentlyRefused
  readonly #flights = new Map<string, Flight>()

  constructor({ cache, policy, recentlyRefused }: ProtocolParts<never>) {
    this.#cache = cache
    this.#limit = policy.collapseTimeout
    this.#recentlyRefused = recentlyRefused
  }

  get areCrowded(): boolean {
    return this.#cache.gauges.waiting >= MAX_WAITING
  }

  /** One that began after all that was invalidated since. */
  flightTo(storageKey: string): Flight | undefined {
    const flight = this.#flights.get(storageKey)
    if (flight === undefined || flight.isOverdue) return undefined
    return this.#cache.isInvalidated(storageKey, [], flight.mark) ? undefined : flight
  }

  isSideBySide(storageKey: string): boolean {
    return this.#flights.get(storageKey)?.isSlow === true || this.#recentlyRefused.has(storageKey)
  }

  /** The same without one of them, as its own request sees them. */
  without(own: Flight | undefined): RunsUnderWay {
    if (own === undefined) return this
    return {
      areCrowded: this.areCrowded,
      flightTo: (storageKey) => {
        const flight = this.flightTo(storageKey)
        return flight === own ? undefined : flight
      },
      isSideBySide: (storageKey) => {
        const isOwn = this.#flights.get(storageKey) === own
        return isOwn ? this.#recentlyRefused.has(storageKey) : this.isSideBySide(storageKey)
      },
    }
  }

  /** Begins one, which others wait for from now on. */
  takeOff(storageKey: string, mark: RunMark): Flight {
    const onLanding = ({ kind }: Landing) => {
      if (kind === 'refused') this.noteSlowness(storageKey)
      if (this.#flights.get(storageKey) === flight) this.#flights.delete(storageKey)
    }
    const flight = new Flight(mark, this.#cache, this.#limit, onLanding)
    this.#flights.set(storageKey, flight)
    return flight
  }

  /** While a body streams that nobody can wait for, no request waits for the next one either. Storing it ends that. */
  noteSlowness(storageKey: string): void {
    if (this.#flights.get(storageKey)?.isSlow === true) this.#recentlyRefused.add(storageKey, SLOW_FOR)
  }
}
