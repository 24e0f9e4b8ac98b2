import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('runs, with answers that are right, and ends with the table of targets', { timeout: 120_000 }, async () => {
  const args = ['--import', 'tsx', 'bench/bench.ts', '--short']
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 110_000 })
  expect(stdout).not.toContain('is left out')
  for (const name of ['raw', 'ours express', 'ours koa'])
    expect(stdout).toMatch(new RegExp(`^\\| ${name} +\\| +\\d`, 'm'))
  expect(stdout).toContain('| 7 stampede ')
})
