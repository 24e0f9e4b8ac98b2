import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { changeOf, compareRuns } from '../../bench/kept-runs.js'

const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-bench-runs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('changeOf', () => {
  it.each([
    [1.04, 0.05, 'equal'],
    [0.96, 0.05, 'equal'],
    [1.06, 0.05, 'dearer'],
    [0.94, 0.05, 'cheaper'],
    [1.2, Number.NaN, 'unknown'],
    [Number.NaN, 0.05, 'unknown'],
  ])('says of a ratio of %d with a noise of %d: %s', (ratio, noise, change) => {
    expect(changeOf(ratio, noise)).toBe(change)
  })
})

describe('compareRuns', () => {
  it('shows ratios to raw with their noise, figures that are no times, and nothing that one run lacks', () => {
    const common = { 'hot-1k: raw': 10, 'hot-1k: raw: noise': 0.02, 'hot-1k: raw / raw': 1 }
    const before = kept('before', {
      ...common,
      'hot-1k: ours express': 20,
      'hot-1k: ours express: noise': 0.01,
      'hot-1k: ours express / raw': 2,
      'memory: ours express: each': 1500,
    })
    const after = kept('after', {
      ...common,
      'hot-1k: ours express': 26,
      'hot-1k: ours express: noise': 0.01,
      'hot-1k: ours express / raw': 2.6,
      'memory: ours express: each': 1530,
      'stampede: ours express: runs': 1,
    })
    expect(printed(() => compareRuns([before, after])).split('\n')).toEqual([
      expect.stringMatching(/^\| figure +\| +one \|/),
      expect.any(String),
      expect.stringMatching(/^\| hot-1k: ours express \/ raw \| +2.00 \| +2.60 \| +1.30 \| +6 \| dearer \|$/),
      expect.stringMatching(/^\| memory: ours express: each +\| +1500.00 \| +1530.00 \| +1.02 \| +- \| +\|$/),
      '',
    ])
  })

  it('says that it needs two runs', () => {
    expect(() => compareRuns(['one.json'])).toThrow('two runs are needed: name their files')
  })
})

function kept(name: string, measured: Readonly<Record<string, number>>): string {
  const path = join(folder, `${name}.json`)
  writeFileSync(path, JSON.stringify({ node: 'v24.0.0', scenarios: [], measured }))
  return path
}

function printed(run: () => void): string {
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line = '') => lines.push(String(line)))
  try {
    run()
    return lines.join('\n')
  } finally {
    log.mockRestore()
  }
}
