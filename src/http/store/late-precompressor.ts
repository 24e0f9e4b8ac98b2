import type { CacheEngine } from '../../core/engine.js'
import type { Precompressor } from './precompressor.js'
import type { StoredResponse } from './stored-response.js'

/** A {@link Precompressor} whose code is loaded by the first response that lacks an encoding. */
export class LatePrecompressor {
  readonly #cache: CacheEngine
  readonly #onFault: (thrown: unknown) => void
  #loading: Promise<Precompressor> | undefined
  #loaded: Precompressor | undefined

  constructor(cache: CacheEngine, onFault: (thrown: unknown) => void) {
    this.#cache = cache
    this.#onFault = onFault
  }

  /** See {@link Precompressor.afterStore}. */
  afterStore(storageKey: string, stored: StoredResponse, written: Promise<boolean>): void {
    if (stored.isToBeEncoded) this.#use((precompressor) => precompressor.afterStore(storageKey, stored, written))
  }

  /** See {@link Precompressor.afterHit}. */
  afterHit(storageKey: string, stored: StoredResponse, now: number): void {
    if (stored.isToBeEncoded) this.#use((precompressor) => precompressor.afterHit(storageKey, stored, now))
  }

  #use(use: (precompressor: Precompressor) => void): void {
    if (this.#loaded !== undefined) {
      use(this.#loaded)
      return
    }
    this.#loading ??= this.#load()
    this.#loading.then(use).catch(this.#onFault)
  }

  async #load(): Promise<Precompressor> {
    const { Precompressor } = await import('./precompressor.js')
    this.#loaded = new Precompressor(this.#cache, this.#onFault)
    return this.#loaded
  }
}
