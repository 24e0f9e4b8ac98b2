import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { generatedPages } from '../../scripts/write-docs.mjs'

describe('the pages that are written from the source', () => {
  for (const [path, text] of Object.entries(generatedPages())) {
    it(`${path} says what the source says (npm run docs)`, () => {
      expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')).toBe(text)
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
