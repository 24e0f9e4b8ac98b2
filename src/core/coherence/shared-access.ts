import { background } from '../background.js'
import { asError } from '../errors.js'
import { notify } from '../logger.js'
import { shown } from '../option-checks.js'
import { untilLoaded } from '../tiers/late-port.js'
import { openPort } from '../tiers/open-port.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { CoherenceDuties } from './coherence.js'
import { checkJournalFile } from './journal-file-check.js'
import type { OpenParts, SharedStore } from './shared-store.js'

type Code = typeof import('./shared-store.js')

let code: Code | undefined

/** Loads what only a cache with Redis needs; a shared store is opened at once from then on. */
export async function loadSharedStore(): Promise<Code> {
  code ??= await background.runInAsyncScope(() => import('./shared-store.js'))
  return code
}

/** The parts of any cache. */
type OwnParts = Omit<OpenParts, 'port' | 'watch'>

/**
 * The shared store of a cache. Its code is loaded by the first cache of a process that has Redis: until it is there,
 * requests wait for it as for the first connection, at most one second.
 */
export class SharedAccess {
  /** Whether Redis is configured, and the cache is not disabled. */
  readonly isConfigured: boolean
  readonly #own: OwnParts
  #store: SharedStore | undefined
  #loading: Promise<void> | undefined
  #failure: Error | undefined

  /**
   * Opens the shared store, and begins to connect, at once or when the code is loaded.
   *
   * @throws TypeError if the `redis` option is a client of an unsupported type, or does not fit `keyPrefix`, and if the
   *   file of the journal is not usable
   */
  constructor(own: OwnParts, duties: Pick<CoherenceDuties, 'onRecords'>) {
    const { enabled, redis, keyPrefix, journalFile } = own.settings
    this.#own = own
    this.isConfigured = redis !== undefined && enabled
    if (redis === undefined || !enabled) return
    const port = openPort(redis, own.settings)
    if (port.isCluster && /^[^{]*\{\}/.test(port.keyPrefix + keyPrefix)) {
      throw new TypeError(`keyPrefix must not begin an empty hash tag in a cluster, got ${shown(keyPrefix)}`)
    }
    if (code !== undefined) {
      this.#store = code.openSharedStore({ ...own, port, watch: port.watch.bind(port) }, duties)
      return
    }
    if (journalFile !== undefined) checkJournalFile(journalFile)
    this.#loading = this.#load({ ...own, port, watch: watchFromNow(port) }, duties)
  }

  /** The shared store; `undefined` without Redis, and until its code is loaded. */
  get store(): SharedStore | undefined {
    return this.#store
  }

  /** Whether the code is being loaded. */
  get isLoading(): boolean {
    return this.#loading !== undefined
  }

  /** Why there is no shared store although Redis is configured: its code cannot be loaded. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Waits for the shared store if it is being loaded; see {@link untilLoaded}. Never rejects. */
  async opened(): Promise<SharedStore | undefined> {
    if (this.#loading !== undefined) await untilLoaded(this.#own.settings.clock, this.#loading)
    return this.#store
  }

  /** Calls `use` as soon as there is a shared store. */
  whenOpened(use: (store: SharedStore) => void): void {
    if (this.#store !== undefined) use(this.#store)
    else void this.#loading?.then(() => this.#store !== undefined && use(this.#store))
  }

  async close(): Promise<void> {
    const store = this.#store ?? (await this.opened())
    if (store === undefined) this.whenOpened((late) => void late.close())
    else await store.close()
  }

  async #load(parts: OpenParts, duties: Pick<CoherenceDuties, 'onRecords'>): Promise<void> {
    try {
      const { openSharedStore } = await loadSharedStore()
      this.#store = openSharedStore(parts, duties)
    } catch (thrown) {
      const { events, mirror, settings } = this.#own
      this.#failure = asError(thrown)
      // Records that wait for a position in the log are kept without a bound, and these would wait for ever.
      mirror.settleAll()
      const why = `memory answers alone: the code for Redis cannot be loaded (${this.#failure.message})`
      notify(settings.logger, why)
      events.tell('fault', { error: this.#failure })
      await parts.port.close().catch(() => {})
    } finally {
      this.#loading = undefined
    }
  }
}

/** Listens to a client before there is a store: an `error` event without a listener would end the process. */
function watchFromNow(port: RedisPort): RedisPort['watch'] {
  let [onReady, onClose, onError]: Partial<Parameters<RedisPort['watch']>> = []
  let missed: { readonly error: unknown } | undefined
  port.watch(
    () => onReady?.(),
    () => onClose?.(),
    (error) => {
      if (onError === undefined) missed = { error }
      else onError(error)
    },
  )
  return (...listeners) => {
    ;[onReady, onClose, onError] = listeners
    if (missed === undefined || port.isReady()) return
    onError?.(missed.error)
    onClose?.()
  }
}
