import type { CacheEngine } from '../../core/engine.js'
import type { RunMark } from '../../core/mark.js'
import type { RecentlyRefused } from '../store/recently-refused.js'
import type { RunsUnderWay } from './decision.js'
import { Flight, type Landing } from './flight.js'
import type { ProtocolParts } from './protocol-parts.js'

/** Maximum number of requests that wait for the handler runs of other requests. */
const MAX_WAITING = 10_000

/** After a slow body, requests for the same key do not wait for each other for this long, in milliseconds. */
const SLOW_FOR = 10_000

/** Holds the handler runs that other requests may wait for, at most one per storage key. */
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

  /** The run for a key, unless it is overdue or was invalidated after it started. */
  flightTo(storageKey: string): Flight | undefined {
    const flight = this.#flights.get(storageKey)
    if (flight === undefined || flight.isOverdue) return undefined
    return this.#cache.isInvalidated(storageKey, [], flight.mark) ? undefined : flight
  }

  isSideBySide(storageKey: string): boolean {
    return this.#flights.get(storageKey)?.isSlow === true || this.#recentlyRefused.has(storageKey)
  }

  /** A view without one run, as the request of that run sees it. */
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

  /** Starts a run that other requests can wait for. */
  takeOff(storageKey: string, mark: RunMark): Flight {
    const onLanding = ({ kind }: Landing) => {
      if (kind === 'refused') this.noteSlowness(storageKey)
      if (this.#flights.get(storageKey) === flight) this.#flights.delete(storageKey)
    }
    const flight = new Flight(mark, this.#cache, this.#limit, onLanding)
    this.#flights.set(storageKey, flight)
    return flight
  }

  /**
   * If a body is slow, requests for the same key do not wait for the next response either, until a response is stored.
   */
  noteSlowness(storageKey: string): void {
    if (this.#flights.get(storageKey)?.isSlow === true) this.#recentlyRefused.add(storageKey, SLOW_FOR)
  }
}
