import { cookieValue } from './cookie-values.js'
import { type Fields, fieldValue, hasField, isToken, listMembers, splitList } from './fields.js'

/** The selecting fields of a response: names in lower case, sorted, each once; or `'*'`, which no request can match (RFC 9110, section 12.5.5). */
export type SelectingFields = readonly string[] | '*'

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

/** The values of the selecting fields of a request, normalised, in the order of the names; `null` for an absent one (RFC 9111, section 4.1). */
export function selectingValues(names: readonly string[], request: Fields): readonly (string | null)[] {
  return names.map((name) => selectingValue(name, request))
}

/** Whether a request matches the one that a response was stored for: all selecting values are equal, absent only equal to absent (RFC 9111, section 4.1). */
export function matchesSelecting(
  names: readonly string[],
  values: readonly (string | null)[],
  request: Fields,
): boolean {
  return names.every((name, index) => selectingValue(name, request) === values[index])
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

function selectingValue(name: string, request: Fields): string | null {
  if (name.startsWith(COOKIE)) return cookieValue(fieldValue(request, 'cookie'), name.slice(COOKIE.length))
  const value = fieldValue(request, name)
  return value === undefined ? null : normalise(name, value)
}

/** What the names of single cookies start with; no field name has a colon there. */
const COOKIE = 'cookie:'

/** Two values of a field that mean the same become equal (RFC 9111, section 4.1). */
function normalise(name: string, value: string): string {
  if (NO_LISTS.has(name)) return value.trim()
  if (name === 'accept' || name === 'accept-encoding' || name === 'accept-language' || name === 'accept-charset') {
    return normalisePreferences(value)
  }
  return value.includes(',') ? splitList(value).join(',') : value.trim()
}

/** Fields in which a comma, or the space after it, is part of the value. */
const NO_LISTS: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'date',
  'from',
  'if-modified-since',
  'origin',
  'referer',
  'user-agent',
])

/** Preferences seen lately: every browser of a kind sends the same. */
const PREFERENCES = new Map<string, string>()

/**
 * Weighted members by falling weight: case and the spelling of q do not matter (RFC 9110, sections 12.4.2 and 12.5). Those
 * of one weight stay in their order: it is up to a handler whether it sees a preference in it (section 12.5.4), and many do.
 */
function normalisePreferences(value: string): string {
  const known = PREFERENCES.get(value)
  if (known !== undefined) return known
  const members = listMembers(value).map(parsePreference)
  members.sort((one, other) => other.weight - one.weight)
  const normal = members.map(({ text, weight }) => (weight === 1 ? text : `${text};q=${weight}`)).join(',')
  if (value.length <= 512) {
    if (PREFERENCES.size >= 512) PREFERENCES.clear()
    PREFERENCES.set(value, normal)
  }
  return normal
}

/** A member without its weight; parameters of a media type keep their case, a weight that cannot be read stays in the text. */
function parsePreference(member: string): { text: string; weight: number } {
  const [range = '', ...parameters] = member.split(';')
  let text = range.trim().toLowerCase()
  let weight = 1
  for (const parameter of parameters) {
    const quality = /^[ \t]*q[ \t]*=[ \t]*([01](?:\.[0-9]{0,3})?)[ \t]*$/i.exec(parameter)
    if (quality === null || Number(quality[1]) > 1) text += `;${parameter.trim()}`
    else weight = Number(quality[1])
  }
  return { text, weight }
}
