import { type Fields, fieldValue, hasField, isToken, listMembers } from '../syntax/fields.js'
import { cookieValue } from './cookie-values.js'
import { isFilledInput } from './filled-inputs.js'

/** The selecting fields of a response: names in lower case, sorted, each once; or `'*'`, which no request can match (RFC 9110, section 12.5.5). */
export type SelectingFields = readonly string[] | '*'

/** So many selecting inputs tell the variants of a key apart at most: handlers may let clients choose names in Vary. */
export const MAX_SELECTING = 16

/** The fields that a Vary value names; a member that is no field name counts as `*` (RFC 9110, section 12.5.5). */
export function parseVary(vary: string | undefined): SelectingFields {
  if (vary === undefined) return NO_NAMES
  const names = new Set<string>()
  for (const member of listMembers(vary)) {
    if (member === '*' || !isToken(member)) return '*'
    names.add(member.toLowerCase())
  }
  return [...names].sort()
}

/**
 * The fields that select among the stored responses of a URI: what Vary names and what the route's `vary` option names.
 *
 * What outer middleware such as cors and compression announces in advance counts only if it had a say in the stored
 * response: Origin when that holds an Access-Control-Allow-Origin, Accept-Encoding when it holds a Content-Encoding.
 *
 * @param stored - the fields that are stored: what the route produced
 * @param routeVary - the names of the `vary` option, in lower case
 * @param exact - true takes all of Vary at its word, as the proxy preset does
 * @param outerVary - the Vary of the whole response, outer middleware's members included
 */
export function selectingFields(
  stored: Fields,
  routeVary: readonly string[],
  exact: boolean,
  outerVary?: string,
): SelectingFields {
  const own = parseVary(fieldValue(stored, 'vary'))
  const outer = parseVary(outerVary)
  if (own === '*' || outer === '*') return '*'
  const announced = exact ? outer : outer.filter((name) => hadSay(name, stored))
  if (announced.length === 0 && routeVary.length === 0) return own
  return [...new Set([...own, ...announced, ...routeVary])].sort()
}

/**
 * The values of the selecting fields of a request, normalised, in the order of the names; `null` for an absent one (RFC 9111, section 4.1).
 *
 * @param filling - tells the values that middleware has filled in; one that it cannot tell counts as absent here, and matches nothing
 */
export function selectingValues(
  names: readonly string[],
  request: Fields,
  filling?: Filling,
): readonly (string | null)[] {
  return names.map((name) => selectingValue(name, request, filling) ?? null)
}

/** A request whose values from middleware in front of the cache can be read. */
export interface Filling {
  /**
   * The value of an input that middleware in front of the cache has filled in (`req:tenant`, `state:lang`), as text; `null`: there is none,
   * `undefined`: it cannot be told. Left out by hosts that see none.
   */
  filled?(input: string): string | null | undefined
}

/** Whether the values of some of these names cannot be told for a request, so that no response that they select matches it. */
export function isUntold(names: readonly string[], filling: Filling): boolean {
  return names.some((name) => isFilledInput(name) && filling.filled?.(name) === undefined)
}

/** Whether a request matches the one that a response was stored for: all selecting values are equal, absent only equal to absent (RFC 9111, section 4.1). */
export function matchesSelecting(
  names: readonly string[],
  values: readonly (string | null)[],
  request: Fields,
  filling?: Filling,
): boolean {
  return names.every((name, index) => selectingValue(name, request, filling) === values[index])
}

/** The text that tells the variants of a URI apart: the same for two requests exactly when all their selecting values are equal. Hash it for a key. */
export function variantText(names: readonly string[], values: readonly (string | null)[]): string {
  return JSON.stringify([names, values])
}

/** Two Vary values in one, each name once; `*` swallows the others. Names keep their case. `undefined` when both are. */
export function uniteVary(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other
  const names = new Map<string, string>()
  for (const name of [...listMembers(one), ...listMembers(other)]) {
    if (name === '*') return '*'
    if (!names.has(name.toLowerCase())) names.set(name.toLowerCase(), name)
  }
  return [...names.values()].join(', ')
}

const NO_NAMES: readonly string[] = Object.freeze([])

function hadSay(name: string, stored: Fields): boolean {
  if (name === 'origin') return hasField(stored, 'access-control-allow-origin')
  if (name === 'accept-encoding') return hasField(stored, 'content-encoding')
  return true
}

function selectingValue(name: string, request: Fields, filling: Filling | undefined): string | null | undefined {
  if (isFilledInput(name)) return filling?.filled?.(name)
  if (name.startsWith(COOKIE)) return cookieValue(fieldValue(request, 'cookie'), name.slice(COOKIE.length))
  const value = fieldValue(request, name)
  return value === undefined ? null : normalise(name, value)
}

/** What the names of single cookies start with; no field name has a colon there. */
export const COOKIE = 'cookie:'

/**
 * A value as it is compared. Spaces and tabs behind a comma do not count in fields of content negotiation: clients spell them in two ways,
 * and the parsers of Express and Koa skip them. All else counts as it came, weights and letters too: parsers differ in what they make of
 * them, and one client's spelling would decide what another one gets (RFC 9111, section 4.1 permits to normalise, and does not ask for it).
 */
function normalise(name: string, value: string): string {
  if (!NEGOTIATED.has(name) || value.includes('"')) return value
  return value.includes(', ') || value.includes(',\t') ? value.replace(SPACED_COMMA, ',') : value
}

const NEGOTIATED: ReadonlySet<string> = new Set(['accept', 'accept-charset', 'accept-encoding', 'accept-language'])

const SPACED_COMMA = /,[ \t]+/g
