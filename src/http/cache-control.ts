/** A duration in seconds. */
export type Seconds = number

/** The largest number of seconds that counts; anything above it means the same (RFC 9111, section 1.2.2). */
export const MAX_DELTA_SECONDS: Seconds = 2 ** 31

/**
 * The directives of a Cache-Control field that mean something to this cache, of requests and of responses (RFC 9111, section 5.2;
 * RFC 5861; RFC 8246). Syntax only: what follows from them is decided elsewhere.
 *
 * A directive that is there but cannot be read is read as the most restrictive one of its kind: a lifetime is 0, a list of fields is "all".
 */
export interface CacheControl {
  /** `no-store` (5.2.1.5, 5.2.2.5). */
  readonly noStore: boolean
  /** `no-cache` without field names (5.2.1.4, 5.2.2.4). */
  readonly noCache: boolean
  /** The fields that `no-cache="…"` names, in lower case; empty when there are none (5.2.2.4). */
  readonly noCacheFields: readonly string[]
  /** `private` without field names (5.2.2.7). */
  readonly private: boolean
  /** The fields that `private="…"` names, in lower case; empty when there are none (5.2.2.7). */
  readonly privateFields: readonly string[]
  /** `public` (5.2.2.9). */
  readonly public: boolean
  /** `must-revalidate` (5.2.2.2). */
  readonly mustRevalidate: boolean
  /** `proxy-revalidate` (5.2.2.8). */
  readonly proxyRevalidate: boolean
  /** `must-understand` (5.2.2.3). */
  readonly mustUnderstand: boolean
  /** `no-transform` (5.2.1.6, 5.2.2.6). */
  readonly noTransform: boolean
  /** `immutable` (RFC 8246). */
  readonly immutable: boolean
  /** `only-if-cached` (5.2.1.7). */
  readonly onlyIfCached: boolean
  /** `max-age` (5.2.1.1, 5.2.2.1). */
  readonly maxAge: Seconds | undefined
  /** `s-maxage` (5.2.2.10). */
  readonly sMaxage: Seconds | undefined
  /** `max-stale`; without a value it accepts any staleness, which reads as {@link MAX_DELTA_SECONDS} (5.2.1.2). */
  readonly maxStale: Seconds | undefined
  /** `min-fresh`; unreadable means absent, for it is a wish (5.2.1.3). */
  readonly minFresh: Seconds | undefined
  /** `stale-while-revalidate` (RFC 5861, section 3). */
  readonly staleWhileRevalidate: Seconds | undefined
  /** `stale-if-error` (RFC 5861, section 4). */
  readonly staleIfError: Seconds | undefined
}

/** One directive as it was written. */
export interface Directive {
  /** In lower case. */
  readonly name: string
  /** Without quotes and quoted-pairs; `undefined` when there is none. */
  readonly argument: string | undefined
  /** False when it is not what the grammar allows: such a directive can forbid, but permits nothing. */
  readonly wellFormed: boolean
}

/** No directive at all. */
export const NO_DIRECTIVES: CacheControl = collectDirectives([])

/**
 * The directives of a Cache-Control field value (RFC 9111, section 5.2). Never throws; the result is shared and frozen.
 *
 * Names in any case; unknown ones ignored; arguments as tokens or quoted strings. Of a repeated lifetime the first counts; of a repeated
 * restriction the stricter.
 *
 * @param value - the combined field value; `undefined` when the field is absent
 */
export function parseCacheControl(value: string | undefined): CacheControl {
  if (value === undefined) return NO_DIRECTIVES
  throw new Error('not written yet')
}

/** What a list of directives amounts to: the common end of Cache-Control and of targeted fields (RFC 9213, section 2.2). */
export function collectDirectives(_directives: Iterable<Directive>): CacheControl {
  return {} as CacheControl
}

/** Delta-seconds, cut off at {@link MAX_DELTA_SECONDS}; `undefined` when the text is anything but digits (RFC 9111, section 1.2.2). */
export function parseDeltaSeconds(text: string): Seconds | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined
  return Math.min(Number(text), MAX_DELTA_SECONDS)
}
