import { hasOtherEnd, isPlainQuery, plainRootOf, rootParameter } from './parameters.js'
import { type Member, parseDictionary } from './structured-fields.js'

/**
 * Limits, because both are processed for every request: longer queries are not normalized, rules with more names are
 * ignored.
 */
const MAX_LENGTH = 4096
const MAX_NAMES = 256

/**
 * A No-Vary-Search rule of a response (draft-ietf-httpbis-no-vary-search): the query parameters that do not affect the
 * response, and whether their order does. Parameters are parsed as application/x-www-form-urlencoded.
 */
export class SearchRule {
  /** The rule as a field value in canonical form: equal for equivalent rules. */
  readonly text: string
  readonly #ignoresOrder: boolean
  readonly #names: ReadonlySet<string>
  /** True if the names are the parameters that matter (`except`), false if they are those to ignore (`params`). */
  readonly #areExceptions: boolean
  /** The root parameters that query parsers may derive from the significant names. */
  readonly #roots: ReadonlySet<string>

  constructor(ignoresOrder: boolean, names: readonly string[], areExceptions: boolean) {
    this.#ignoresOrder = ignoresOrder
    this.#names = new Set(names)
    this.#areExceptions = areExceptions
    this.#roots = new Set(areExceptions ? names.map(rootParameter) : [])
    const list = [...this.#names].sort().map((name) => `"${encodeURIComponent(name)}"`)
    const named = areExceptions || list.length > 0 ? [`${areExceptions ? 'except' : 'params'}=(${list.join(' ')})`] : []
    this.text = [...(ignoresOrder ? ['key-order'] : []), ...named].join(', ')
  }

  /**
   * Reduces a query to its significant parameters; the result is equal for all queries that the response may answer.
   * Returns `undefined` if the query must be matched exactly, because it is too long or parsers may disagree about it:
   * it is not ASCII, has a second `?`, or contains `page[x]` where only `page` is significant.
   *
   * @param query - with its question mark, as Node.js provides it; `''` for none
   */
  apply(query: string): string | undefined {
    if (query === '') return ''
    if (query.length > MAX_LENGTH || !isPlainQuery(query) || query.split('&').some(hasOtherEnd)) return undefined
    const all = [...new URLSearchParams(query.slice(1))]
    // Undecodable bytes all become U+FFFD, so that different values would look equal.
    if (all.some(([name, value]) => name.includes('\ufffd') || value.includes('\ufffd'))) return undefined
    const isKept = (name: string) => this.#names.has(name) === this.#areExceptions
    if (this.#mayMix(new Set(all.map(([name]) => name)), isKept)) return undefined
    const kept = new URLSearchParams(all.filter(([name]) => isKept(name)))
    // Sorts by UTF-16 code units; the sort is stable for parameters of the same name.
    if (this.#ignoresOrder) kept.sort()
    return kept.size === 0 ? '' : `?${kept}`
  }

  /**
   * Whether a query parser may merge two names into one parameter although one of them, or their order, is to be
   * ignored.
   */
  #mayMix(names: ReadonlySet<string>, isKept: (name: string) => boolean): boolean {
    const byRoot = new Map<string, string>()
    for (const name of names) {
      const root = plainRootOf(name)
      if (root === undefined) return true
      const other = byRoot.get(root)
      if (other !== undefined && (this.#ignoresOrder || isKept(name) !== isKept(other))) return true
      byRoot.set(root, name)
      if (!isKept(name) && this.#roots.has(root)) return true
    }
    return false
  }
}

/**
 * Parses a No-Vary-Search field; `undefined` if the field is absent, malformed or has no effect, in which case only an
 * identical query matches.
 *
 * In addition to `params=(…)` and `except=(…)` it accepts the form that browsers shipped first: `params` alone for all
 * parameters, and `params, except=(…)`.
 */
export function parseNoVarySearch(value: string | undefined): SearchRule | undefined {
  const members = value === undefined ? undefined : parseDictionary(value)
  if (members === undefined) return undefined
  const order = members.get('key-order')
  if (order !== undefined && order.type !== 'boolean') return undefined
  const named = namesIn(members.get('params'), members.get('except'))
  if (named === undefined || named.names.length > MAX_NAMES) return undefined
  const rule = new SearchRule(order?.value === true, named.names, named.areExceptions)
  return rule.text === '' ? undefined : rule
}

interface Named {
  readonly names: readonly string[]
  readonly areExceptions: boolean
}

function namesIn(params: Member | undefined, except: Member | undefined): Named | undefined {
  const isAll = params?.type === 'boolean' && params.value
  if (except !== undefined) return params === undefined || isAll ? named(except, true) : undefined
  if (isAll) return { names: [], areExceptions: true }
  if (params === undefined || params.type === 'boolean') return { names: [], areExceptions: false }
  return named(params, false)
}

function named(list: Member, areExceptions: boolean): Named | undefined {
  if (list.type !== 'inner-list') return undefined
  const names: string[] = []
  for (const item of list.value) {
    if (item.type !== 'string') return undefined
    names.push(decodedName(item.value))
  }
  return { names, areExceptions }
}

/** Decodes a parameter name as in a query: percent-encoded, with a plus sign for a space. */
function decodedName(text: string): string {
  const [name = ''] = new URLSearchParams(`${text.replaceAll('&', '%26').replaceAll('=', '%3D')}=`).keys()
  return name
}
