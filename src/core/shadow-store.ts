import type { ProcessBoard } from './coherence/process-board.js'
import type { TakenIds } from './coherence/taken-ids.js'
import type { Counters } from './counters.js'
import type { Entry, NewEntry } from './entry.js'
import { EntryStore } from './entry-store.js'
import { type CacheEvents, GuardedEmitter } from './events.js'
import type { RunMark } from './mark.js'
import type { CoreSettings } from './options.js'
import type { Invalidation } from './receipt.js'
import type { EvictionReason, MemoryStats } from './tiers/memory-tier.js'
import type { StoreResult } from './two-tier-writer.js'

/** Bytes of the directory of shadow mode. */
const DIRECTORY_BYTES = 16 * 2 ** 20

/** Usage of the directory of shadow mode, which holds a fingerprint of each response that would be stored. */
export type ShadowStats = Pick<MemoryStats, 'entries' | 'bytes' | 'maxBytes'>

/** What is called when the directory of shadow mode changes. */
export interface ShadowHooks {
  /** An entry was put into the directory. */
  kept(key: string, entry: Entry): void
  /** An entry has left the directory. */
  left(key: string, reason: EvictionReason): void
}

/** The settings of a cache, for the directory of its shadow mode: in memory only, with a limit of its own. */
export function shadowSettings(settings: CoreSettings): CoreSettings {
  return { ...settings, redis: undefined, maxEntries: Number.POSITIVE_INFINITY, maxBytes: DIRECTORY_BYTES }
}

/** The events of shadow mode: listeners of the cache hear of faults, and of nothing else. */
export class ShadowEvents extends GuardedEmitter {
  readonly #real: GuardedEmitter
  readonly #hooks: Pick<ShadowHooks, 'left'>

  constructor(real: GuardedEmitter, hooks: Pick<ShadowHooks, 'left'>) {
    super()
    this.#real = real
    this.#hooks = hooks
  }

  override isHeard(): boolean {
    return false
  }

  override tell<Name extends keyof CacheEvents>(name: Name, payload: CacheEvents[Name][0]): void {
    if (name === 'fault') this.#real.tell(name, payload)
    if (name !== 'evict') return
    const { key, reason } = payload as CacheEvents['evict'][0]
    this.#hooks.left(key, reason)
  }
}

/**
 * The directory of shadow mode: entries in memory, judged by the invalidations of the cache that it belongs to. What it is
 * told to invalidate, that cache invalidates.
 */
export class ShadowStore extends EntryStore {
  readonly #real: EntryStore
  readonly #hooks: Pick<ShadowHooks, 'kept'>

  constructor(
    own: { readonly settings: CoreSettings; readonly counters: Counters; readonly events: GuardedEmitter },
    real: EntryStore,
    hooks: Pick<ShadowHooks, 'kept'>,
  ) {
    super(own.settings, own.counters, own.events, real)
    this.#real = real
    this.#hooks = hooks
  }

  override get isClosed(): boolean {
    return super.isClosed || this.#real.isClosed
  }

  override board(): Promise<ProcessBoard | undefined> {
    return this.#real.board()
  }

  override get takenIds(): TakenIds | undefined {
    return this.#real.takenIds
  }

  override store(key: string, entry: NewEntry, mark: RunMark): StoreResult {
    const result = super.store(key, entry, mark)
    if (result.entry !== undefined) this.#hooks.kept(key, result.entry)
    return result
  }

  override invalidate(...order: Parameters<EntryStore['invalidate']>): Promise<Invalidation> {
    return this.#real.invalidate(...order)
  }

  /** Removes surplus variants from the directory. What a request of the application retires, the cache retires itself. */
  override retire(keys: readonly string[]): undefined {
    for (const key of keys) this.drop(key, 'size')
  }
}
