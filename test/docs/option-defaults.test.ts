import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CORE_OPTIONS, coreOptionNames } from '../../src/core/options.js'

const page = readFileSync(new URL('../../docs/options.md', import.meta.url), 'utf8')
const rows = new Map(
  [...page.matchAll(/^\| `(\w+)` \| .* \| ([^|]*) \|$/gm)].map(([, name = '', text = '']) => [name, text]),
)

/** A default as the page shows it; `undefined`: in words. */
function shownDefault(value: unknown): string | undefined {
  if (typeof value === 'number') return value % 2 ** 20 === 0 && value > 0 ? `${value / 2 ** 20} MiB` : String(value)
  if (typeof value === 'string') return `\`'${value}'\``
  return typeof value === 'boolean' ? String(value) : undefined
}

describe('the options of the core', () => {
  it.each(coreOptionNames)('%s is in docs/options.md with the default that it has', (name) => {
    const entry = CORE_OPTIONS[name]
    const shown = 'default' in entry ? shownDefault(entry.default) : undefined
    expect(rows.has(name)).toBe(true)
    if (shown !== undefined) expect(rows.get(name)?.startsWith(shown), `${rows.get(name)} is ${shown}`).toBe(true)
  })
})
