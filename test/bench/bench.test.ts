import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

// Whether it runs. What it measures here is of no interest: the machine is shared.
describe('npm run bench -- --short', () => {
  it('runs, with answers that are right, and ends with the table of targets', { timeout: 420_000 }, async () => {
    const stdout = await output('bench/bench.ts', '--short')
    const leftOut = stdout.split('\n').filter((line) => line.includes('is left out'))
    // An option that is not there yet, and servers that this machine does not have.
    expect(leftOut.filter((line) => !/unknown option|is not installed/.test(line))).toEqual([])
    for (const name of ['raw', 'ours express', 'ours koa', 'ours express, 304', 'ours koa, HEAD', 'ours express, POST'])
      expect(stdout).toMatch(new RegExp(`^\\| ${name} +\\| +\\d`, 'm'))
    expect(stdout).toMatch(/^\| ours express +\| +1 \| .*\n\nstampede took/m)
    for (const target of ['1 hit from memory', '2 front door', '5 miss and store', '10 processes'])
      expect(stdout).toContain(`| ${target} `)
  })
})

describe('npm run bench:guard', () => {
  it('measures what it guards', { timeout: 420_000 }, async () => {
    expect(await output('bench/guard/guard.ts', '--short', '--cpu', `--node=${process.execPath}`)).toMatch(
      /^\| hit, Express +\| +[\d.-]+ \| +\d/m,
    )
  })
})

describe('npm run bench:profile', () => {
  it('says whose code runs', { timeout: 120_000 }, async () => {
    const shares = await output(
      'bench/profile/profile.ts',
      'ours express',
      'miss',
      '--short',
      `--node=${process.execPath}`,
    )
    for (const whose of ['node', 'express', 'this library'])
      expect(shares).toMatch(new RegExp(`^\\| ${whose} +\\| +\\d`, 'm'))
    // Which functions it is that take most is chance in so short a time.
    expect(shares).toMatch(/^\| function of this library .*\n.*\n\| \S+ +\| +\d/m)
  })
})

async function output(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', ...args], { timeout: 400_000 })
  return stdout
}
