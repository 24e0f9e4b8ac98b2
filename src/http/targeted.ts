import type { CacheControl } from './cache-control.js'
import type { Fields } from './fields.js'

/** The directives that decide about a response, and where they stand. */
export interface ResponseControl {
  readonly control: CacheControl
  /** The targeted field that decided alone, in lower case; `undefined` when it was Cache-Control. Then Expires counts too. */
  readonly targetedBy: string | undefined
}

/** The target list that this library always reads: its own field. */
export const OWN_TARGETS: readonly string[] = ['fallback-cache-control']

/**
 * The directives that decide about a response: those of the first field of the target list that is a non-empty, well-formed Dictionary;
 * when there is none, those of Cache-Control (RFC 9213, section 2.2).
 *
 * @param targets - field names in lower case, the most specific first
 */
export function responseControl(_fields: Fields, _targets: readonly string[]): ResponseControl {
  throw new Error('not written yet')
}
