import type { ShadowRoute, VerifiedRoute } from '../index.js'
import { type Terminal, visible } from './terminal.js'

/** Answers of the cache, by how they compare with those of the handlers. */
type Answers = VerifiedRoute['answers']

/** What is said of the answers of a route that differ. */
export type DifferenceWords = Readonly<Record<'leaked' | 'suspected' | 'stale', string>>

/** The answers of all routes, in one line. */
export function answersText({ same, stale, leaked, suspected, noise, unseen }: Answers): string {
  return `${same} same, ${stale} stale, ${leaked} leaked, ${suspected} suspected, ${noise} noise, ${unseen} not compared`
}

/** Prints how many answers of a route differ, and the keys of some. */
export async function tellDifferences(
  route: ShadowRoute | VerifiedRoute,
  words: DifferenceWords,
  terminal: Terminal,
): Promise<void> {
  for (const kind of ['leaked', 'suspected', 'stale'] as const) {
    if (route.answers[kind] === 0) continue
    const text = visible(`${routeName(route)}: ${route.answers[kind]} ${words[kind]}`)
    const keys = route.examples[kind].map((key) => `\n  ${visible(key)}`)
    await terminal.print(`${terminal.style(kind === 'leaked' ? 'red' : 'yellow', text)}${keys.join('')}`)
  }
}

/** The pattern of a route, or that it is not known. */
export function routeName({ route }: { readonly route: string }): string {
  return route === '' ? '(unknown)' : route
}
