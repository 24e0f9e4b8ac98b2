import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { anchorsOf, linksOf, summaryOf, titleOf } from '../../site/markdown.mjs'
import { PAGES, SECTIONS } from '../../site/pages.mjs'

const decisions = readdirSync('docs/decisions')
  .filter((file) => /^\d+.*\.md$/.test(file))
  .map((file) => `docs/decisions/${file}`)
const docs = readdirSync('docs')
  .filter((file) => file.endsWith('.md'))
  .map((file) => `docs/${file}`)
const read = (path: string) => readFileSync(path, 'utf8')

describe('the order of the documentation (site/pages.mjs)', () => {
  it('has each page of docs/ once', () => {
    expect(PAGES.filter((path) => path.startsWith('docs/') && !path.includes('decisions')).sort()).toEqual(docs.sort())
    expect(new Set(PAGES).size).toBe(PAGES.length)
  })

  it('has five sections, and a title and a first paragraph for each page', () => {
    expect(SECTIONS.map(({ title }) => title)).toEqual(['Learn', 'Guides', 'Operate', 'Reference', 'Understand'])
    expect(PAGES.filter((path) => titleOf(read(path)) === '' || summaryOf(read(path)) === '')).toEqual([])
    const titles = PAGES.map((path) => titleOf(read(path)))
    expect(new Set(titles).size).toBe(titles.length)
  })

  it('has each decision in the index of decisions', () => {
    const linked = linksOf(read('docs/decisions/README.md'), 'docs/decisions/README.md').map(({ path }) => path)
    expect(decisions.filter((path) => !linked.includes(path))).toEqual([])
  })
})

describe('the names in the documentation', () => {
  it('are those of metrics that docs/monitoring.md explains', () => {
    const known = read('docs/monitoring.md')
    const named = PAGES.flatMap((path) => read(path).match(/\bfallback_cache_\w+/g) ?? [])
    expect(named.filter((name) => !known.includes(name))).toEqual([])
  })

  it('are those of scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const pages = [...PAGES, ...decisions].filter((path) => path !== 'CHANGELOG.md')
    const named = pages.flatMap((path) =>
      Array.from(read(path).matchAll(/npm run ([\w:-]+)/g), ([, name = '']) => name),
    )
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([])
  })
})

describe('the links of the documentation', () => {
  it.each([...PAGES, ...decisions])('%s links to files and headings that exist', (page) => {
    const dead = linksOf(read(page), page).filter(({ path, anchor }) => {
      if (!existsSync(path)) return true
      return anchor !== '' && !(path.endsWith('.md') && anchorsOf(read(path)).has(anchor))
    })
    expect(dead).toEqual([])
  })

  it('finds a dead link, and none in code', () => {
    const page =
      '# A title, `code`\n\n[to](other.md#a-b) [here](#a-title-code) [web](https://example.org)\n\n```ts\nx[0](y.z)\n```\n'
    expect(linksOf(page, 'docs/page.md')).toEqual([
      { path: 'docs/other.md', anchor: 'a-b' },
      { path: 'docs/page.md', anchor: 'a-title-code' },
    ])
    expect([...anchorsOf(page)]).toEqual(['a-title-code'])
  })
})
