import { closingQuote, isToken, isTokenCharacter, listMembers } from './fields.js'

/** A duration in seconds. */
export type Seconds = number

/** The largest number of seconds that is distinguished; larger values are reduced to it (RFC 9111, section 1.2.2). */
export const MAX_DELTA_SECONDS: Seconds = 2 ** 31

/**
 * The parsed Cache-Control directives that this cache uses, from a request or a response (RFC 9111, section 5.2; RFC
 * 5861; RFC 8246). Syntax only: the caching rules are elsewhere.
 *
 * A malformed directive is read as the most restrictive form of its kind: a lifetime is 0, a list of fields is "all".
 */
export interface CacheControl {
  /** `no-store` (5.2.1.5, 5.2.2.5). */
  readonly noStore: boolean
  /** `no-cache` without field names (5.2.1.4, 5.2.2.4). */
  readonly noCache: boolean
  /** Field names of `no-cache="…"`, in lower case; empty if there are none (5.2.2.4). */
  readonly noCacheFields: readonly string[]
  /** `private` without field names (5.2.2.7). */
  readonly private: boolean
  /** Field names of `private="…"`, in lower case; empty if there are none (5.2.2.7). */
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
  /** `max-stale`; without an argument it accepts any staleness, read as {@link MAX_DELTA_SECONDS} (5.2.1.2). */
  readonly maxStale: Seconds | undefined
  /** `min-fresh`; a malformed one is ignored, because it only states a preference (5.2.1.3). */
  readonly minFresh: Seconds | undefined
  /** `stale-while-revalidate` (RFC 5861, section 3). */
  readonly staleWhileRevalidate: Seconds | undefined
  /** `stale-if-error` (RFC 5861, section 4). */
  readonly staleIfError: Seconds | undefined
}

/** One directive as written in the field. */
export interface Directive {
  /** In lower case. */
  readonly name: string
  /** The argument without quotes and quoted-pairs; `undefined` if the directive has none. */
  readonly argument: string | undefined
  /** False if the text violates the grammar: such a directive may still forbid something, but permits nothing. */
  readonly wellFormed: boolean
}

/**
 * Parses a Cache-Control field value (RFC 9111, section 5.2). Never throws; the result is shared and frozen.
 *
 * Names are case-insensitive, unknown directives are ignored, and arguments may be tokens or quoted strings. If a
 * lifetime is repeated, the first one counts; if a restriction is repeated, the stricter one.
 *
 * @param value - the combined field value; `undefined` if the field is absent
 */
export function parseCacheControl(value: string | undefined): CacheControl {
  if (value === undefined || value === '') return NO_DIRECTIVES
  const known = PARSED.get(value)
  if (known !== undefined) return known
  const control = collectDirectives(readDirectives(value))
  if (value.length <= 256) {
    if (PARSED.size >= 256) PARSED.clear()
    PARSED.set(value, control)
  }
  return control
}

/** Recently parsed field values: applications and clients send only a few different ones. */
const PARSED = new Map<string, CacheControl>()

/** Combines directives into one object; used for Cache-Control and for targeted fields (RFC 9213, section 2.2). */
export function collectDirectives(directives: Iterable<Directive>): CacheControl {
  const found = noDirectives()
  for (const directive of directives) COLLECT.get(directive.name)?.(found, directive)
  return Object.freeze(found)
}

/** The result before the first directive. */
function noDirectives() {
  return {
    noStore: false,
    noCache: false,
    noCacheFields: [] as string[],
    private: false,
    privateFields: [] as string[],
    public: false,
    mustRevalidate: false,
    proxyRevalidate: false,
    mustUnderstand: false,
    noTransform: false,
    immutable: false,
    onlyIfCached: false,
    maxAge: undefined as Seconds | undefined,
    sMaxage: undefined as Seconds | undefined,
    maxStale: undefined as Seconds | undefined,
    minFresh: undefined as Seconds | undefined,
    staleWhileRevalidate: undefined as Seconds | undefined,
    staleIfError: undefined as Seconds | undefined,
  }
}

type Collect = (found: ReturnType<typeof noDirectives>, directive: Directive) => void

/** What each directive means for the result; unknown names are ignored. */
const COLLECT: ReadonlyMap<string, Collect> = new Map(
  Object.entries<Collect>({
    'no-store': (found) => {
      found.noStore = true
    },
    'no-cache': (found, directive) => {
      found.noCache = !addFieldNames(found.noCacheFields, directive) || found.noCache
    },
    private: (found, directive) => {
      found.private = !addFieldNames(found.privateFields, directive) || found.private
    },
    public: (found, directive) => {
      found.public ||= isBare(directive)
    },
    'must-revalidate': (found) => {
      found.mustRevalidate = true
    },
    'proxy-revalidate': (found) => {
      found.proxyRevalidate = true
    },
    'must-understand': (found, { wellFormed }) => {
      found.mustUnderstand ||= wellFormed
    },
    'no-transform': (found) => {
      found.noTransform = true
    },
    immutable: (found, { wellFormed }) => {
      // "If any arguments are present, they have no meaning and MUST be ignored" (RFC 8246, section 2).
      found.immutable ||= wellFormed
    },
    'only-if-cached': (found) => {
      found.onlyIfCached = true
    },
    'max-age': (found, directive) => {
      found.maxAge ??= lifetime(directive)
    },
    's-maxage': (found, directive) => {
      found.sMaxage ??= lifetime(directive)
    },
    'max-stale': (found, directive) => {
      found.maxStale ??= isBare(directive) ? MAX_DELTA_SECONDS : lifetime(directive)
    },
    'min-fresh': (found, directive) => {
      found.minFresh ??= deltaSeconds(directive)
    },
    'stale-while-revalidate': (found, directive) => {
      found.staleWhileRevalidate ??= lifetime(directive)
    },
    'stale-if-error': (found, directive) => {
      found.staleIfError ??= lifetime(directive)
    },
  }),
)

/** The result for a field without directives. */
export const NO_DIRECTIVES: CacheControl = collectDirectives([])

/**
 * Parses delta-seconds, capped at {@link MAX_DELTA_SECONDS}; `undefined` unless the text is all digits (RFC 9111,
 * section 1.2.2).
 */
export function parseDeltaSeconds(text: string): Seconds | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined
  return Math.min(Number(text), MAX_DELTA_SECONDS)
}

/** A malformed lifetime is 0: invalid freshness information means stale (RFC 9111, section 4.2.1). */
function lifetime(directive: Directive): Seconds {
  return deltaSeconds(directive) ?? 0
}

function deltaSeconds(directive: Directive): Seconds | undefined {
  return directive.wellFormed && directive.argument !== undefined ? parseDeltaSeconds(directive.argument) : undefined
}

function isBare(directive: Directive): boolean {
  return directive.wellFormed && directive.argument === undefined
}

/**
 * Adds the field names of the qualified form; returns false if the directive is unqualified and applies to the whole
 * response.
 */
function addFieldNames(names: string[], directive: Directive): boolean {
  if (!directive.wellFormed || directive.argument === undefined) return false
  const listed = listMembers(directive.argument)
  if (listed.length === 0 || !listed.every(isToken)) return false
  for (const name of listed) names.push(name.toLowerCase())
  return true
}

/**
 * Splits a field value into directives, in order. Text that is not a directive is skipped. A directive is marked as
 * malformed if such text precedes or follows it within the same list member, or if an unclosed quote precedes it.
 */
function readDirectives(value: string): Directive[] {
  const directives: Directive[] = []
  let at = 0
  let clean = true
  let quotes = true
  while (at < value.length) {
    const char = value.charCodeAt(at)
    if (char === COMMA) {
      clean = quotes
      at += 1
      continue
    }
    if (char === SPACE || char === TAB) {
      at += 1
      continue
    }
    const nameEnd = endOfToken(value, at)
    if (nameEnd === at) {
      clean = false
      const close = char === QUOTE && quotes ? closingQuote(value, at) : at
      if (char === QUOTE && close === at) quotes = false
      at = close + 1
      continue
    }
    const name = value.slice(at, nameEnd).toLowerCase()
    let argument: string | undefined
    at = nameEnd
    if (value.charCodeAt(at) === EQUALS) {
      at += 1
      if (value.charCodeAt(at) === QUOTE && quotes) {
        const close = closingQuote(value, at)
        if (close === at) {
          quotes = false
          clean = false
        } else {
          argument = unquote(value.slice(at + 1, close))
        }
        at = close + 1
      } else {
        const argumentEnd = endOfToken(value, at)
        argument = value.slice(at, argumentEnd)
        if (argumentEnd === at) clean = false
        at = argumentEnd
      }
    }
    while (value.charCodeAt(at) === SPACE || value.charCodeAt(at) === TAB) at += 1
    if (at < value.length && value.charCodeAt(at) !== COMMA) clean = false
    directives.push({ name, argument, wellFormed: clean })
  }
  return directives
}

const TAB = 0x09
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const EQUALS = 0x3d

function endOfToken(value: string, start: number): number {
  let at = start
  while (at < value.length && isTokenCharacter(value.charCodeAt(at))) at += 1
  return at
}

/** Replaces each quoted-pair by its character (RFC 9110, section 5.6.4). */
function unquote(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, '$1') : text
}
