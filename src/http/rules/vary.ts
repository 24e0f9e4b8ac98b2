import { type Fields, fieldLines, fieldValue, hasField, isToken, listMembers } from '../syntax/fields.js'
import { cookieValue } from './cookie-values.js'
import { isFilledInput } from './filled-inputs.js'

/**
 * The selecting fields of a response: names in lower case, sorted and unique; or `'*'`, which no request matches (RFC
 * 9110, section 12.5.5).
 */
export type SelectingFields = readonly string[] | '*'

/** Maximum number of selecting inputs per key, because handlers may let clients choose names in Vary. */
export const MAX_SELECTING = 16

/** Parses a Vary value; a member that is not a field name counts as `*` (RFC 9110, section 12.5.5). */
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
 * The fields that select among the stored responses of a URI: those in Vary and in the route's `vary` option.
 *
 * Members that outer middleware such as cors and compression adds in advance are only included if they affected the
 * stored response: Origin if it has an Access-Control-Allow-Origin, Accept-Encoding if it has a Content-Encoding.
 *
 * @param stored - the stored fields, which the route produced
 * @param routeVary - the names of the `vary` option, in lower case
 * @param exact - true to respect every member of Vary, as the proxy preset does
 * @param outerVary - the Vary of the whole response, including members of outer middleware
 */
export function selectingFields(
  stored: Fields,
  routeVary: readonly string[],
  exact: boolean,
  outerVary?: string,
): SelectingFields {
  const ownVary = fieldValue(stored, 'vary')
  if (ownVary === undefined && outerVary === undefined && routeVary.length === 0) return NO_NAMES
  const own = parseVary(ownVary)
  const outer = parseVary(outerVary)
  if (own === '*' || outer === '*') return '*'
  const announced = exact ? outer : outer.filter((name) => affectsResponse(name, stored))
  if (announced.length === 0 && routeVary.length === 0) return own
  return [...new Set([...own, ...announced, ...routeVary])].sort()
}

/**
 * The normalized values of the selecting fields of a request, in the order of the names; `null` for an absent field
 * (RFC 9111, section 4.1).
 *
 * @param filling - provides the values set by middleware; a value that cannot be converted counts as absent here, and
 * matches nothing
 */
export function selectingValues(
  names: readonly string[],
  request: Fields,
  filling?: Filling,
): readonly (string | null)[] {
  return names.map((name) => selectingValue(name, request, filling) ?? null)
}

/** A request with access to the values that middleware in front of the cache has set. */
export interface Filling {
  /**
   * The value of an input set by middleware in front of the cache (`req:tenant`, `state:lang`), as text; `null` if
   * there is none, `undefined` if it cannot be converted. Not implemented by adapters without such values.
   */
  filled?(input: string): string | null | undefined
}

/**
 * Whether some of these inputs have a value that cannot be converted to text, so that the request matches no response
 * selected by them.
 */
export function isUntold(names: readonly string[], filling: Filling): boolean {
  return names.some((name) => isFilledInput(name) && filling.filled?.(name) === undefined)
}

/**
 * Whether a request matches the one that a response was stored for: all selecting values are equal, and an absent field
 * only equals an absent one (RFC 9111, section 4.1).
 */
export function matchesSelecting(
  names: readonly string[],
  values: readonly (string | null)[],
  request: Fields,
  filling?: Filling,
): boolean {
  return names.every((name, index) => selectingValue(name, request, filling) === values[index])
}

/**
 * A text that identifies a variant of a URI: equal for two requests exactly if all their selecting values are equal. To
 * be hashed for a key.
 */
export function variantText(names: readonly string[], values: readonly (string | null)[]): string {
  return JSON.stringify([names, values])
}

/** Combines two Vary values, each name once in its original case; `*` replaces all others. `undefined` if both are. */
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

function affectsResponse(name: string, stored: Fields): boolean {
  if (name === 'origin') return hasField(stored, 'access-control-allow-origin')
  if (name === 'accept-encoding') return hasField(stored, 'content-encoding')
  return true
}

function selectingValue(name: string, request: Fields, filling: Filling | undefined): string | null | undefined {
  if (isFilledInput(name)) return filling?.filled?.(name)
  if (name.startsWith(COOKIE)) return cookieValue(fieldValue(request, 'cookie'), name.slice(COOKIE.length))
  // The only field of which Node.js hands on a list: no line contains a line break, but commas.
  if (name === 'set-cookie') return hasField(request, name) ? fieldLines(request, name).join('\n') : null
  const value = fieldValue(request, name)
  return value === undefined ? null : normalise(name, value)
}

/** The prefix of inputs that are single cookies; a field name cannot contain a colon there. */
export const COOKIE = 'cookie:'

/**
 * Normalizes a value for comparison. In content negotiation fields, spaces and tabs after a comma are removed: clients
 * differ in them, and the parsers of Express and Koa skip them. Everything else is compared unchanged, including
 * weights and letter case, because parsers interpret them differently, and one client's spelling would determine
 * another's response (RFC 9111, section 4.1, permits normalization but does not require it).
 */
function normalise(name: string, value: string): string {
  if (!NEGOTIATED.has(name) || value.includes('"')) return value
  return value.includes(', ') || value.includes(',\t') ? value.replace(SPACED_COMMA, ',') : value
}

const NEGOTIATED: ReadonlySet<string> = new Set(['accept', 'accept-charset', 'accept-encoding', 'accept-language'])

const SPACED_COMMA = /,[ \t]+/g
