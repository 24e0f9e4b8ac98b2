import type { Fields } from './fields.js'

/** The selecting fields of a response: names in lower case, sorted, each once; or `'*'`, which no request can match (RFC 9110, section 12.5.5). */
export type SelectingFields = readonly string[] | '*'

/** The fields that a Vary value names; a member that is no field name counts as `*` (RFC 9110, section 12.5.5). */
export function parseVary(_vary: string | undefined): SelectingFields {
  throw new Error('not written yet')
}

/**
 * The fields that select among the stored responses of a URI: what Vary names and what the route's `vary` option names, without those that had no
 * say in the stored response: Origin when it holds no Access-Control-Allow-Origin, Accept-Encoding when it holds no Content-Encoding.
 *
 * @param stored - the fields that are stored: what the route produced
 * @param routeVary - the names of the `vary` option, in lower case
 * @param exact - true takes Vary at its word, as the proxy preset does
 */
export function selectingFields(_stored: Fields, _routeVary: readonly string[], _exact: boolean): SelectingFields {
  throw new Error('not written yet')
}

/** The values of the selecting fields of a request, normalised, in the order of the names; `null` for an absent one (RFC 9111, section 4.1). */
export function selectingValues(_names: readonly string[], _request: Fields): readonly (string | null)[] {
  throw new Error('not written yet')
}

/** Whether a request matches the one that a response was stored for: all selecting values are equal, absent only equal to absent (RFC 9111, section 4.1). */
export function matchesSelecting(
  _names: readonly string[],
  _values: readonly (string | null)[],
  _request: Fields,
): boolean {
  throw new Error('not written yet')
}

/** The text that tells the variants of a URI apart: the same for two requests exactly when all their selecting values are equal. Hash it for a key. */
export function variantText(_names: readonly string[], _values: readonly (string | null)[]): string {
  throw new Error('not written yet')
}

/** Two Vary values in one, each name once; `*` swallows the others. Names keep their case. `undefined` when both are. */
export function uniteVary(_one: string | undefined, _other: string | undefined): string | undefined {
  throw new Error('not written yet')
}
