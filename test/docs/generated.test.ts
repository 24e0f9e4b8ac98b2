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

describe('the links of the documentation', () => {
  for (const page of [
    'README.md',
    'docs/architecture.md',
    'docs/coherence.md',
    'docs/errors.md',
    'docs/explain.md',
    'docs/performance.md',
    'docs/testing.md',
    'CONTRIBUTING.md',
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
