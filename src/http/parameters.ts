/**
 * Parsers read the first thousand parameters of a query, empty ones among them, and applications may have set less: a query with more
 * than these counts as it stands, or what is left out of its key would push what is in it out of what the handler sees.
 */
export const MAX_PARAMETERS = 256

/**
 * The parameter that a parser may make of a name: `page` of `page[x]`, `page[]` and `[page]`, and `page.x`. Wherever `page` counts they count
 * too, or they would change what `page` is unseen.
 */
export function rootOf(name: string): string {
  const from = name.search(/[^[.]/)
  if (from < 0) return name
  const rest = name.slice(from)
  const end = rest.search(from === 0 ? /[[.]/ : /[[\].]/)
  return end < 0 ? rest : rest.slice(0, end)
}

/** How many parameters a parser counts in a query, as it stands. */
export function countParameters(query: string): number {
  return query.split('&', MAX_PARAMETERS + 1).length
}
