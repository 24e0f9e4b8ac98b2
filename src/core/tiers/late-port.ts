import { type Clock, settledWithin } from '../clock.js'
import { asError } from '../errors.js'
import type { RedisArgument, RedisPort, ScanPage } from './redis-client.js'

/** How long requests wait for code that is being loaded, in ms: once, when a process starts. */
const LONGEST_LOADING = 1_000
const LOADING_STEPS = 10

/**
 * Waits for code that is being loaded, at most one second. A time in which the event loop is blocked, as by a program
 * that starts, hardly counts: nothing is loaded in it. Never rejects.
 */
export async function untilLoaded(clock: Clock, loading: Promise<unknown>): Promise<void> {
  let isLoading = true
  const settle = (): void => {
    isLoading = false
  }
  loading.then(settle, settle)
  for (let step = 0; isLoading && step < LOADING_STEPS; step++) {
    await settledWithin(clock, loading, LONGEST_LOADING / LOADING_STEPS)
  }
}

/**
 * The {@link RedisPort} over a client whose package is being loaded. Until then, and if that fails, it behaves like a
 * client without a connection.
 */
export class LatePort implements RedisPort {
  // Only clients for a URL are opened late: they are single clients without a prefix.
  readonly isCluster = false
  readonly keyPrefix = ''
  #port: RedisPort | undefined
  #loading: Promise<void> | undefined
  #failure: Error | undefined
  #listeners: Parameters<RedisPort['watch']> | undefined
  #connects = false
  #isClosed = false

  /** @param opened - the promise for the port; it may reject */
  constructor(opened: Promise<RedisPort>) {
    this.#loading = opened
      .then(
        (port) => this.#become(port),
        (thrown: unknown) => this.#fail(asError(thrown)),
      )
      .finally(() => {
        this.#loading = undefined
      })
  }

  get loading(): Promise<void> | undefined {
    return this.#loading
  }

  get obstacle(): string | undefined {
    return this.#failure?.message ?? this.#port?.obstacle
  }

  isReady(): boolean {
    return this.#port?.isReady() === true
  }

  async send(key: string, command: readonly [string, ...RedisArgument[]]): Promise<unknown> {
    return this.#opened().send(key, command)
  }

  async scan(prefix: string, count: number, cursor: string | undefined): Promise<ScanPage> {
    return this.#opened().scan(prefix, count, cursor)
  }

  async selectDatabase(): Promise<void> {
    return this.#opened().selectDatabase()
  }

  watch(...listeners: Parameters<RedisPort['watch']>): void {
    this.#listeners = listeners
    this.#port?.watch(...listeners)
  }

  connect(): void {
    this.#connects = true
    this.#port?.connect()
  }

  reconnect(): void {
    this.#port?.reconnect()
  }

  reset(): void {
    this.#port?.reset()
  }

  settle(): void {
    this.#port?.settle()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#port?.close()
  }

  #become(port: RedisPort): void | Promise<void> {
    if (this.#isClosed) return port.close()
    this.#port = port
    if (this.#listeners !== undefined) port.watch(...this.#listeners)
    if (this.#connects) port.connect()
  }

  #fail(failure: Error): void {
    this.#failure = failure
    if (this.#isClosed || this.#listeners === undefined) return
    const [, onClose, onError] = this.#listeners
    onError(failure)
    onClose()
  }

  #opened(): RedisPort {
    if (this.#port === undefined) throw this.#failure ?? new Error('the client is not loaded yet')
    return this.#port
  }
}
