/**
 * `closed`: commands are sent. `open`: commands are not sent. `half_open`: one probe is in flight and nothing else is
 * sent.
 */
export type CircuitState = 'closed' | 'open' | 'half_open'

/**
 * Circuit breaker: counts consecutive failures and decides whether commands are sent to Redis.
 *
 * The caller of {@link halfOpen} sends the probe; a user's request is never used as the probe. The caller also decides
 * what counts as a failure: a timeout or a broken connection does, an error reply from a healthy Redis does not.
 */
export class CircuitBreaker {
  #state: CircuitState = 'closed'
  #failures = 0
  #lastFailure: Error | undefined
  readonly #threshold: number
  readonly #onChange: (from: CircuitState, to: CircuitState) => void

  /** @param threshold - consecutive failures that open the breaker, at least 1 */
  constructor(threshold: number, onChange: (from: CircuitState, to: CircuitState) => void) {
    this.#threshold = threshold
    this.#onChange = onChange
  }

  get state(): CircuitState {
    return this.#state
  }

  /** Number of consecutive failures so far. */
  get failures(): number {
    return this.#failures
  }

  /** The most recent failure, if the caller of {@link fail} passed one. */
  get lastFailure(): Error | undefined {
    return this.#lastFailure
  }

  /**
   * Records a reply. It does not close an open breaker: a late reply proves nothing, only a successful probe closes it.
   */
  succeed(): void {
    if (this.#state === 'closed') this.#failures = 0
  }

  /** Records a failure. @param failure - the reason, if known */
  fail(failure?: Error): void {
    this.#failures++
    this.#lastFailure = failure
    if (this.#state === 'half_open' || (this.#state === 'closed' && this.#failures >= this.#threshold)) {
      this.#become('open')
    }
  }

  /** Moves from open to half-open, so that the caller may send one probe; returns false in every other state. */
  halfOpen(): boolean {
    if (this.#state !== 'open') return false
    this.#become('half_open')
    return true
  }

  /** Closes the breaker, after a successful probe. */
  close(): void {
    this.#failures = 0
    this.#become('closed')
  }

  #become(state: CircuitState): void {
    if (state === this.#state) return
    const from = this.#state
    this.#state = state
    this.#onChange(from, state)
  }
}
