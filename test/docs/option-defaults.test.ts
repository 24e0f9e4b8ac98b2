import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CORE_OPTIONS, coreOptionNames } from '../../src/core/options.js'
import { OWN_OPTIONS, ownOptionNames } from '../../src/http/protocol/own-options.js'

const page = readFileSync(new URL('../../docs/options.md', import.meta.url), 'utf8')
const rows = new Map(
  [...page.matchAll(/^\| `(\w+)` \| .* \| ([^|]*) \|$/gm)].map(([, name = '', text = '']) => [name, text]),
)

describe('the overview in docs/options.md', () => {
  it('names each option, and no other', () => {
    const [, overview = ''] = /\n\| for \| options \|\n([\s\S]*?)\n\n/.exec(page) ?? []
    const named = Array.from(overview.matchAll(/`(\w+)`/g), ([, name = '']) => name)
    expect(named.toSorted()).toEqual([...new Set([...coreOptionNames, ...ownOptionNames])].toSorted())
  })
})

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

/** A default of a middleware as its row shows it, without backticks and in lower case. */
function plainDefault(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.length === 0 ? '' : `['${value.join("', '")}']`.toLowerCase()
  if (value === '') return ''
  return (shownDefault(value) ?? JSON.stringify(value)).replaceAll('`', '').toLowerCase()
}

describe('the options of the middlewares', () => {
  const plain = (name: string) => rows.get(name)?.replaceAll('`', '').toLowerCase()

  it.each(ownOptionNames)('%s is in docs/options.md with the default that it has', (name) => {
    const entry = OWN_OPTIONS[name]
    const row = plain(name)
    expect(row).toBeDefined()
    if ('presets' in entry) {
      const { application, proxy } = entry.presets
      expect(row, `${name} differs between presets`).toContain('preset')
      if (typeof application === 'boolean') expect([row, application, proxy]).toEqual(['by preset', false, true])
      else
        expect(row?.startsWith(`${plainDefault(application)}; `), `${row} is ${plainDefault(application)}`).toBe(true)
      expect(page.split('| `preset` |')[1]?.split('\n')[0], 'the row of preset').toContain(`\`${name}\``)
      if (typeof proxy === 'number' || proxy === false) expect(row).toContain(`; ${proxy} `)
      for (const one of Array.isArray(proxy) ? proxy : []) expect(row).toContain(String(one).toLowerCase())
    } else if ('default' in entry) {
      const shown = plainDefault(entry.default)
      // An empty value that has no effect may be left out.
      const isEmpty = shown === '' || shown === '{}'
      expect(row === shown || row?.startsWith(`${shown};`) || (isEmpty && row === ''), `${row} is ${shown}`).toBe(true)
    } else {
      // Without the option an outer middleware decides; no row says more than that it is empty.
      expect(['', '[]']).toContain(row)
    }
  })
})
