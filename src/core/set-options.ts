import { type Duration, positiveDuration } from './duration.js'
import { checkList } from './key-checks.js'
import type { InvalidationMark } from './mark.js'
import { rejectUnknownOptions } from './option-checks.js'
import { type KnownOption, TAGS_NAMES, TTL_NAMES } from './option-hints.js'
import type { CoreSettings } from './options.js'
import type { ValueLifetime } from './value-store.js'

/** The lifetime and the tags of a value. */
export interface SetOptions {
  /** Lifetime in seconds or as a duration text, greater than 0. @defaultValue `defaultTtl` */
  readonly ttl?: Duration | undefined
  /** The tags by which `FallbackCache.invalidateTags` can match it. */
  readonly tags?: readonly string[] | undefined
}

/** {@link SetOptions}, plus a mark for a value that took time to make. */
export interface AssignOptions extends SetOptions {
  /**
   * A mark taken with `FallbackCache.mark` before the value was read or computed: the value is not stored if any
   * process has invalidated it since. Without a mark the value counts as new at the call of `set`. A mark of another
   * cache, or anything else, is a TypeError.
   */
  readonly since?: InvalidationMark | undefined
}

const SET_OPTIONS = { ttl: { otherNames: TTL_NAMES }, tags: { otherNames: TAGS_NAMES } } satisfies Record<
  keyof SetOptions,
  KnownOption
>
const ASSIGN_OPTIONS = { ...SET_OPTIONS, since: {} } satisfies Record<keyof AssignOptions, KnownOption>

/** @throws TypeError or RangeError for an invalid option */
export function readSetOptions(given: Duration | SetOptions | undefined, settings: CoreSettings): ValueLifetime {
  return read(given, SET_OPTIONS, settings)
}

/** Like {@link readSetOptions}, for `set`; the mark is left to the cache, which knows its own. */
export function readAssignOptions(given: Duration | AssignOptions | undefined, settings: CoreSettings): ValueLifetime {
  return read(given, ASSIGN_OPTIONS, settings)
}

function read(
  given: Duration | SetOptions | undefined,
  known: Readonly<Record<string, KnownOption>>,
  { defaultTtl }: CoreSettings,
): ValueLifetime {
  const options: SetOptions = isOptions(given) ? given : { ttl: given }
  rejectUnknownOptions(options, known, 'set')
  const lifetime = options.ttl === undefined ? defaultTtl : positiveDuration(options.ttl, 'ttl') * 1000
  return { lifetime, tags: options.tags === undefined ? [] : [...checkList(options.tags, 'tags')] }
}

/** Whether options are given, and not a lifetime alone. */
export function isOptions<T extends object>(given: T | Duration | undefined): given is T {
  return typeof given === 'object' && given !== null
}
