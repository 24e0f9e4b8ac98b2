import type { IncomingMessage } from 'node:http'
import type { ParsedRequest } from '../node/index.js'
import type { PurgeAnswer, Purged, PurgeEndpoint } from './purge-endpoint.js'
import { type PurgeOptions, type PurgeSettings, readPurgeOptions } from './purge-options.js'

/** The purge endpoint of a cache. Its code is loaded only when an application asks for it. */
export class PurgeDoor {
  readonly #loading: Promise<void>
  #endpoint: PurgeEndpoint | undefined

  /** @throws TypeError or RangeError for an invalid option */
  constructor(purged: Purged, options: PurgeOptions) {
    this.#loading = this.#load(purged, readPurgeOptions(options))
  }

  /** The answer to a request. Never rejects. @param parsed - the object on which a body parser would have stored the content */
  async answer(request: IncomingMessage, parsed: ParsedRequest): Promise<PurgeAnswer> {
    // At once if possible: content that is not read while the request is handled may be gone.
    if (this.#endpoint === undefined) await this.#loading
    if (this.#endpoint !== undefined) return this.#endpoint.answer(request, parsed)
    return { status: 500, headers: { 'cache-control': 'no-store' }, body: 'the purge endpoint could not be loaded' }
  }

  async #load(purged: Purged, settings: PurgeSettings): Promise<void> {
    try {
      const { PurgeEndpoint } = await import('./purge-endpoint.js')
      this.#endpoint = new PurgeEndpoint(purged, settings)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error), 'FallbackCacheWarning')
    }
  }
}
