import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const page = readFileSync('docs/architecture.md', 'utf8')
/** Files named with their path, or in a table under the heading or in the row of their folder. */
const named = new Set(Array.from(page.matchAll(/`((?:[\w-]+\/)*[\w-]+\.ts)`/g), ([, path = '']) => path))

/** The sources of a folder, below it too. */
function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file))
}

describe('docs/architecture.md', () => {
  const mapped = sources('src').filter((file) => file !== 'src/index.ts' && dirname(file) !== 'src/cli/commands')

  it.each(mapped)('has %s on its map', (file) => {
    expect(named.has(basename(file)) || named.has(file) || named.has(file.replace(/^src\/core\//, ''))).toBe(true)
  })

  it('names no file that does not exist', () => {
    const all = ['src', 'test', 'examples'].flatMap(sources)
    const existing = new Set(all.flatMap((file) => [file, basename(file), file.replace(/^src\/core\//, '')]))
    expect([...named].filter((path) => !existing.has(path))).toEqual([])
  })
})
