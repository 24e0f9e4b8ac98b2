/** - `closed`: commands are sent. - `open`: none is. - `half_open`: one probe is on its way, and nothing else. */
export type CircuitState = 'closed' | 'open' | 'half_open'

/**
 * Counts failures in a row and says whether Redis may be asked.
 *
 * Who half-opens it sends the one probe; no request of a user ever is that probe. What counts as a failure is for the
 * caller to say: a timeout or a broken connection does, an error that a healthy Redis answers does not.
 */
export class CircuitBreaker {
  #state: CircuitState = 'closed'
  #failures = 0
  #lastFailure: Error | undefined
  readonly #threshold: number
  readonly #onChange: (from: CircuitState, to: CircuitState) => void

  /** @param threshold - failures in a row that open it, at least 1 */
  constructor(threshold: number, onChange: (from: CircuitState, to: CircuitState) => void) {
    this.#threshold = threshold
    this.#onChange = onChange
  }

  get state(): CircuitState {
    return this.#state
  }

  /** Failures in a row, up to now. */
  get failures(): number {
    return this.#failures
  }

  /** What the last failure was, where it was told. */
  get lastFailure(): Error | undefined {
    return this.#lastFailure
  }

  /** An answer came. Only a probe's answer closes an open breaker: a reply that was on its way proves nothing. */
  succeed(): void {
    if (this.#state === 'closed') this.#failures = 0
  }

  /** No answer came; `failure` says why. */
  fail(failure?: Error): void {
    this.#failures++
    this.#lastFailure = failure
    if (this.#state === 'half_open' || (this.#state === 'closed' && this.#failures >= this.#threshold)) {
      this.#become('open')
    }
  }

  /** Lets one probe through; false when one is on its way already, or none is needed. */
  halfOpen(): boolean {
    if (this.#state !== 'open') return false
    this.#become('half_open')
    return true
  }

  /** The probe came back, and Redis is trusted again. */
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
