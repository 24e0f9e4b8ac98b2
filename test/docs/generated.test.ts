import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { generatedPages } from '../../scripts/write-docs.mjs'

describe('the pages that are written from the source', () => {
  for (const [path, text] of Object.entries(generatedPages())) {
    it(`${path} says what the source says (npm run docs)`, () => {
      expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')).toBe(text)
    })
  }
})

describe('the links of the documentation', () => {
  const docs = readdirSync(new URL('../../docs', import.meta.url)).filter((file) => file.endsWith('.md'))
  for (const page of [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    ...docs.map((file) => `docs/${file}`),
  ]) {
    it(`${page} points at files that exist`, () => {
      const url = new URL(`../../${page}`, import.meta.url)
      const targets = [...readFileSync(url, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
        ([, target = '']) => target,
      )
      expect(targets.filter((target) => !existsSync(new URL(target, url)))).toEqual([])
    })
  }
})

describe('the threat model', () => {
  it('names a test that exists for each way', () => {
    const rows =
      readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8').match(/^\| (?!way|---).*$/gm) ?? []
    expect(rows.length).toBeGreaterThan(30)
    for (const row of rows) {
      const tests = [...row.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path)
      expect(tests, row).not.toEqual([])
      expect(tests.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)))).toEqual([])
    }
  })
})
