import { type CacheControl, collectDirectives, type Directive, parseCacheControl } from '../syntax/cache-control.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { type Member, parseDictionary } from '../syntax/structured-fields.js'

/** The directives that apply to a response, and their source. */
export interface ResponseControl {
  readonly control: CacheControl
  /**
   * The targeted field that applies, in lower case; `undefined` for Cache-Control, in which case Expires is evaluated
   * too.
   */
  readonly targetedBy: string | undefined
}

/** The target list that is always used: this library's own field. */
export const OWN_TARGETS: readonly string[] = ['fallback-cache-control']

/**
 * The directives that apply to a response: those of the first field in the target list that is a non-empty, well-formed
 * Dictionary; otherwise those of Cache-Control (RFC 9213, section 2.2).
 *
 * @param targets - field names in lower case, the most specific first
 */
export function responseControl(fields: Fields, targets: readonly string[]): ResponseControl {
  for (const target of targets) {
    const control = targetedControl(fieldValue(fields, target))
    if (control !== undefined) return { control, targetedBy: target }
  }
  return { control: parseCacheControl(fieldValue(fields, 'cache-control')), targetedBy: undefined }
}

/**
 * The directives of a targeted field; `undefined` if it is missing, empty or malformed, and so counts as absent (RFC
 * 9213, section 2.1).
 */
function targetedControl(value: string | undefined): CacheControl | undefined {
  if (value === undefined) return undefined
  const dictionary = parseDictionary(value)
  if (dictionary === undefined || dictionary.size === 0) return undefined
  return collectDirectives(Array.from(dictionary, ([name, member]) => toDirective(name, member)))
}

/**
 * Converts a Dictionary member to a directive. It is marked as malformed if its type is not the one that RFC 9213
 * requires (an Integer for lifetimes, true for switches, a String for field names), because coercion would be a guess
 * (section 2.1).
 */
function toDirective(name: string, member: Member): Directive {
  switch (member.type) {
    case 'boolean':
      return { name, argument: undefined, wellFormed: member.value }
    case 'integer':
      return { name, argument: String(member.value), wellFormed: true }
    case 'string':
      return { name, argument: member.value, wellFormed: TAKES_STRING.has(name) }
    default:
      return { name, argument: undefined, wellFormed: false }
  }
}

const TAKES_STRING: ReadonlySet<string> = new Set(['no-cache', 'private'])
