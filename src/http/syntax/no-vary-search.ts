import { hasOtherEnd, isPlainQuery, plainRootOf, rootParameter } from './parameters.js'
import { type Member, parseDictionary } from './structured-fields.js'

/** Longer queries count as they stand, and so do rules that name more: both are worked through for every request. */
const MAX_LENGTH = 4096
const MAX_NAMES = 256

/**
 * What a response says of the queries that it is for (draft-ietf-httpbis-no-vary-search): which parameters do not matter, and
 * whether their order does. Parameters are those of application/x-www-form-urlencoded.
 */
export class SearchRule {
  /** The rule as a field value, the same for all that mean the same. */
  readonly text: string
  readonly #ignoresOrder: boolean
  readonly #names: ReadonlySet<string>
  /** Whether the names are those that matter, and not those that do not. */
  readonly #areExceptions: boolean
  /** What parsers may make of the names that matter. */
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
   * What of a query matters, the same for all queries that the response is for; `undefined` when this query is for itself alone:
   * it is too long, or parsers may disagree about it: it is no ASCII, has a second `?`, or has `page[x]` where only `page` matters.
   *
   * @param query - with its question mark, bytes as node gives them; `''` for none
   */
  apply(query: string): string | undefined {
    if (query === '') return ''
    if (query.length > MAX_LENGTH || !isPlainQuery(query) || query.split('&').some(hasOtherEnd)) return undefined
    const all = [...new URLSearchParams(query.slice(1))]
    // What cannot be decoded becomes the same character, whatever it was.
    if (all.some(([name, value]) => name.includes('\ufffd') || value.includes('\ufffd'))) return undefined
    const isKept = (name: string) => this.#names.has(name) === this.#areExceptions
    if (this.#mayMix(new Set(all.map(([name]) => name)), isKept)) return undefined
    const kept = new URLSearchParams(all.filter(([name]) => isKept(name)))
    // By code units, and those of one name stay in their order.
    if (this.#ignoresOrder) kept.sort()
    return kept.size === 0 ? '' : `?${kept}`
  }

  /** Whether a parser may put the values of two names into one parameter, of which one does not count, or whose order does not. */
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
 * The rule that a No-Vary-Search field states; `undefined` when it states none, or nothing that can be understood: then only
 * the very same query will do.
 *
 * Beside `params=(…)` and `except=(…)` it reads the form that browsers shipped first: `params` alone for all parameters,
 * and `params, except=(…)`.
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

/** A name as it is in a query: percent-encoded, with a plus for a space. */
function decodedName(text: string): string {
  const [name = ''] = new URLSearchParams(`${text.replaceAll('&', '%26').replaceAll('=', '%3D')}=`).keys()
  return name
}
