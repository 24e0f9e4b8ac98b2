import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** The projects of vitest.config.ts that hold the tests of the library; how long an answer takes is apart from them. */
export const LIBRARY = ['--project=functions', '--project=library', '--project=waiting']

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * Runs vitest and shows what it prints. Whatever goes wrong without a failed test (a file that does not load, an error
 * outside the tests, a crash) counts as one failed.
 *
 * @param {readonly string[]} args
 * @param {string} [node] the node binary
 * @returns {Promise<Counts>}
 */
export async function runVitest(args, node = process.execPath) {
  const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-vitest-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  try {
    const code = await run(node, ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args])
    const counts = readCounts(report)
    return code === 0 || counts.failed > 0 ? counts : { ...counts, failed: 1 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * @param {string} node
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
function run(node, args) {
  // The processes that a test starts find the same node first.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
  return new Promise((resolve, reject) => {
    spawn(node, args, { stdio: ['ignore', 'inherit', 'inherit'], env })
      .on('error', reject)
      .on('exit', (code) => resolve(code ?? 1))
  })
}

/**
 * @param {string} report
 * @returns {Counts}
 */
function readCounts(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
      readFileSync(report, 'utf8'),
    )
    /** @param {{ status: string, assertionResults: { status: string }[] }} file */
    const failedToLoad = (file) =>
      file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed')
    return {
      passed: numPassedTests,
      failed: numFailedTests + testResults.filter(failedToLoad).length,
      skipped: numPendingTests + numTodoTests,
    }
  } catch {
    return { passed: 0, failed: 0, skipped: 0 }
  }
}
