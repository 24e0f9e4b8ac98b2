/**
 * Parsers read the first thousand parameters of a query, empty ones among them, and applications may have set less: a query with more
 * than these counts as it stands, or what is left out of its key would push what is in it out of what the handler sees.
 */
const MAX_PARAMETERS = 256

/**
 * The parameter that a parser may make of a name: `page` of `page[x]`, `page[]` and `[page]`, and `page.x`. Wherever `page` counts they count
 * too, or they would change what `page` is unseen.
 */
export function rootParameter(name: string): string {
  const from = name.search(/[^[.]/)
  if (from < 0) return name
  const rest = name.slice(from)
  const end = rest.search(from === 0 ? /[[.]/ : /[[\].]/)
  return end < 0 ? rest : rest.slice(0, end)
}

/**
 * As {@link rootParameter}, for a name that every parser takes apart in the same way: `a`, `a[b][]`, `a.b`. `undefined` for all others (`[a]`, `a]`,
 * `a[[b]]`): with them, the order of parameters may decide what a parser makes of two of them.
 */
export function plainRootOf(name: string): string | undefined {
  const root = PLAIN_NAME.exec(name)?.[1]
  return root === '' && name !== '' ? undefined : root
}

const PLAIN_NAME = /^([^[\].]*)(?:\.[^[\].]+|\[[^[\]]*\])*$/

/**
 * Whether all parsers agree where the parameters of a query begin and end, and which characters they consist of: it has a bounded number of
 * them, one `?`, and ASCII only. If not, the query counts as it stands.
 *
 * @param query - with its question mark
 */
export function isPlainQuery(query: string): boolean {
  return (
    query.lastIndexOf('?') === 0 && ASCII.test(query) && query.split('&', MAX_PARAMETERS + 1).length <= MAX_PARAMETERS
  )
}

const ASCII = /^[!-~]*$/

/** Whether a parser takes another `=` for the end of the name than the first one: qs takes that behind `]`. */
export function hasOtherEnd(pair: string): boolean {
  const text = pair.includes('%') ? pair.replace(/%5d/gi, ']') : pair
  const end = text.indexOf(']=')
  return end >= 0 && text.indexOf('=') < end
}
