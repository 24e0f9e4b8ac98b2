import { flag } from './option-checks.js'
import { type OptionTable, readOptions, type Settings } from './option-table.js'

/** Options of an invalidation. */
export interface InvalidateOptions {
  /**
   * Makes the entries stale instead of removing them: until the end of their lifetime they are still used while they
   * are made again, which the first request or `getOrSet` for each of them starts, in one process at a time. `get` does
   * not find them. A hard invalidation that covers an entry prevails, whichever of the two came first.
   *
   * @defaultValue false
   */
  readonly soft?: boolean | undefined
  /**
   * Invalidates nothing, and counts the entries that would be covered, in this process and in Redis: see
   * {@link Invalidation.counted}. Looks at 50,000 keys of each at most.
   *
   * @defaultValue false
   */
  readonly dryRun?: boolean | undefined
  /**
   * Waits a second and a half for other processes to confirm that they have applied the invalidation: see
   * {@link Invalidation.confirmedBy}.
   *
   * @defaultValue false
   */
  readonly confirm?: boolean | undefined
}

/** Options of an invalidation by prefix. */
export interface PrefixOptions extends InvalidateOptions {
  /** Compare case-insensitively. @defaultValue false */
  readonly ignoreCase?: boolean | undefined
}

/** The options of an invalidation, checked. */
export type InvalidateSettings = Settings<typeof INVALIDATE_OPTIONS>

const isSet = (value: boolean | undefined, name: string): boolean => flag(value, name) === true

const INVALIDATE_OPTIONS = {
  soft: { read: isSet },
  dryRun: { read: isSet, otherNames: 'dry preview simulate' },
  confirm: { read: isSet },
} satisfies OptionTable<InvalidateOptions>

const { soft: _soft, ...KEY_OPTIONS } = INVALIDATE_OPTIONS

const PREFIX_OPTIONS = { ...INVALIDATE_OPTIONS, ignoreCase: { read: isSet } } satisfies OptionTable<PrefixOptions>

/** The names of the options of every invalidation. */
export const INVALIDATE_OPTION_NAMES: ReadonlySet<string> = new Set(Object.keys(INVALIDATE_OPTIONS))

/** @throws TypeError for an unknown option or a value of another type */
export function readInvalidateOptions(options: InvalidateOptions, owner: string): InvalidateSettings {
  return readOptions(options, INVALIDATE_OPTIONS, owner)
}

/** @throws TypeError for an unknown option or a value of another type */
export function readPrefixOptions(options: PrefixOptions): Settings<typeof PREFIX_OPTIONS> {
  return readOptions(options, PREFIX_OPTIONS, 'invalidatePrefix')
}

/** @throws TypeError for an unknown option, `soft`, or a value of another type */
export function readKeyOptions(options: Omit<InvalidateOptions, 'soft'>): Settings<typeof KEY_OPTIONS> {
  return readOptions(options, KEY_OPTIONS, 'invalidateKey')
}
