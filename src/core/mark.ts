import type { Stamp } from './stamp.js'

declare const phantom: unique symbol

/** A position among the invalidations that a cache knows. Only the cache that returned it can read it. */
export interface InvalidationMark {
  readonly [phantom]?: never
}

/** The start of a handler, relative to the invalidations known then. */
export interface RunMark {
  /** The newest invalidation that this process knew. */
  readonly sequence: number
  /** Its position in the shared log. */
  readonly stamp: Stamp
  /** Monotonic time in milliseconds. */
  readonly startedAt: number
}

/** A mark as users hold it: only the cache that made it gets its content back. */
export class OpaqueMark implements InvalidationMark {
  declare readonly [phantom]?: never
  readonly #cache: object
  readonly #content: RunMark

  constructor(cache: object, content: RunMark) {
    this.#cache = cache
    this.#content = content
    Object.freeze(this)
  }

  /** The content of a mark that `cache` made; `undefined` for anything else. */
  static read(value: unknown, cache: object): RunMark | undefined {
    if (typeof value !== 'object' || value === null || !(#content in value)) return undefined
    return value.#cache === cache ? value.#content : undefined
  }
}
