import { resolve } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { type FoundRegex, isSlow, regexesIn, regexesMadeBy, superLinear } from './regexes.js'

const { literals, made } = regexesIn('src')

/** Characters: more than node takes in all fields of a request, unless it is told otherwise. */
const LENGTH = 20_000

/** Milliseconds for twice as many: in linear time it takes about one, in quadratic time more than a hundred. */
const LIMIT = 50

const faultsOf = (found: Pick<FoundRegex, 'source' | 'flags'>) => [
  ...superLinear(found),
  ...(isSlow(found, LENGTH, LIMIT) ? ['slow'] : []),
]

describe('regular expressions in src', () => {
  it('are found', () => {
    expect(literals.length).toBeGreaterThan(50)
  })

  it('are literals, or made of fixed parts when their module is loaded', async () => {
    // With all that the middleware imports: one file may make them of the lists of another.
    const files = new Set(['src/middleware/express.ts', ...made.map((place) => place.split(':', 1)[0] ?? '')])
    // Another test file in this process may have loaded them.
    vi.resetModules()
    const loaded = await regexesMadeBy(() => Promise.all(Array.from(files, (file) => import(resolve(file)))))
    expect(loaded.length).toBeGreaterThanOrEqual(made.length)
    for (const found of loaded) expect([found.source, ...faultsOf(found)]).toEqual([found.source])
  })

  it.each(literals.map((found) => [found.place, found] as const))('%s takes linear time', (_, found) => {
    expect(faultsOf(found)).toEqual([])
  })

  it.each([
    /\/+$/,
    /\/?\*+$/,
    /^_hj[a-z]*session[a-z]*(?:_\d+)?$/i,
    /^(?:a+)+$/,
    /\s*,/,
    /^\s*a?\s*$/,
    /(?:ab)+c(?:ab)*$|(?:ab)+$/,
  ])('%s would be found to take more', ({ source, flags }) => {
    const found = { source, flags }
    expect(superLinear(found).length > 0 || isSlow(found, LENGTH, LIMIT)).toBe(true)
  })
})
