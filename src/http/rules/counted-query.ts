import { isNameOfObjects } from '../syntax/names-of-objects.js'
import { hasOtherEnd, isPlainQuery, plainRootOf, rootParameter } from '../syntax/parameters.js'

/** The part of a query that distinguishes resources; see the `query` option. */
export type QueryPolicy = 'all' | 'sorted' | readonly string[]

/**
 * The part of a query that belongs to the key, with its question mark; `''` if nothing is left.
 *
 * @param query - with its question mark, or `''`
 */
export function countedQuery(query: string, policy: QueryPolicy): string {
  // A handler that prints its URL shows a question mark without parameters as well.
  if (policy === 'all' || query === '') return query
  if (query === '?') return ''
  if (!isPlainQuery(query)) return query
  const pairs = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '')
  const wanted = policy === 'sorted' ? sorted(pairs) : named(pairs, policy)
  if (wanted === undefined) return query
  return wanted.length === 0 ? '' : `?${wanted.join('&')}`
}

/**
 * Sorts by parameter. The order is kept among values of one parameter, and among names that parsers may merge
 * (`a=1&a[]=2`). `undefined` if parsers disagree about the names.
 */
function sorted(pairs: readonly string[]): readonly string[] | undefined {
  const rooted: { readonly pair: string; readonly root: string }[] = []
  for (const pair of pairs) {
    const name = decoded(nameOf(pair))
    const root = name === undefined || hasOtherEnd(pair) ? undefined : plainRootOf(name)
    if (root === undefined) return undefined
    rooted.push({ pair, root })
  }
  rooted.sort((one, other) => (one.root < other.root ? -1 : one.root > other.root ? 1 : 0))
  return rooted.map(({ pair }) => pair)
}

/**
 * Selects parameters in the order of the list; the order of values of one parameter is kept. `undefined` if another one
 * has a name for which reads are not observed.
 */
function named(pairs: readonly string[], names: readonly string[]): readonly string[] | undefined {
  const wanted = new Map<string, string[]>(names.map((name) => [rootParameter(name), []]))
  for (const pair of pairs) {
    const name = nameOf(pair)
    const root = rootParameter(decoded(name) ?? withBrackets(name))
    const kept = wanted.get(root)
    if (kept === undefined && isNameOfObjects(root)) return undefined
    kept?.push(pair)
  }
  return [...wanted.values()].flat()
}

/** The name as received, with plus signs decoded. */
function nameOf(pair: string): string {
  return (pair.split('=', 1)[0] ?? '').replaceAll('+', ' ')
}

function decoded(name: string): string | undefined {
  if (!name.includes('%')) return name
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}

/** Decodes ASCII escapes alone, because parsers recognize brackets even in names that cannot be decoded completely. */
function withBrackets(name: string): string {
  return name.replace(/%[0-7][\da-f]/gi, decodeURIComponent)
}
