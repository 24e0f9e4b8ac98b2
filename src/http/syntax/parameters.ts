/**
 * Maximum number of parameters in a query that is normalized. Query parsers stop after 1,000 parameters or fewer,
 * counting empty ones; in longer queries, ignored parameters could displace the significant ones.
 */
const MAX_PARAMETERS = 256

/**
 * The parameter under which a query parser may file a name: `page` for `page[x]`, `page[]`, `[page]` and `page.x`. If
 * `page` is significant, these are too, because they can change the parsed value of `page`.
 */
export function rootParameter(name: string): string {
  const from = name.search(/[^[.]/)
  if (from < 0) return name
  const rest = name.slice(from)
  const end = rest.search(from === 0 ? /[[.]/ : /[[\].]/)
  return end < 0 ? rest : rest.slice(0, end)
}

/**
 * Like {@link rootParameter}, for names that all query parsers split in the same way: `a`, `a[b][]`, `a.b`. Returns
 * `undefined` for other names (`[a]`, `a]`, `a[[b]]`), for which the parsed result may depend on the order of the
 * parameters.
 */
export function plainRootOf(name: string): string | undefined {
  const root = PLAIN_NAME.exec(name)?.[1]
  return root === '' && name !== '' ? undefined : root
}

const PLAIN_NAME = /^([^[\].]*)(?:\.[^[\].]+|\[[^[\]]*\])*$/

/**
 * Whether all query parsers find the same parameters in a query: it has a bounded number of them, one `?`, and only
 * ASCII characters. Otherwise the query is not normalized.
 *
 * @param query - with its question mark
 */
export function isPlainQuery(query: string): boolean {
  return (
    query.lastIndexOf('?') === 0 && ASCII.test(query) && query.split('&', MAX_PARAMETERS + 1).length <= MAX_PARAMETERS
  )
}

const ASCII = /^[!-~]*$/

/** Whether a parser may end the name at a later `=` than the first: qs uses the first `]=`. */
export function hasOtherEnd(pair: string): boolean {
  const text = pair.includes('%') ? pair.replace(/%5d/gi, ']') : pair
  const end = text.indexOf(']=')
  return end >= 0 && text.indexOf('=') < end
}
