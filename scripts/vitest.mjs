import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'

/** Where a command of Redis that misses its deadline of 50 ms is one too many, on a busy machine too. */
export const DEADLINES = '--project=deadlines'

/** The other tests of the library. */
export const NO_DEADLINES = ['--project=library', '--project=waiting']

/** The projects of vitest.config.ts that hold the tests of the library; how long an answer takes is apart from them. */
export const LIBRARY = [DEADLINES, ...NO_DEADLINES]

/** What vitest has compiled, by content: the runs of one `npm test` share it. */
export const COMPILED = '.cache/vitest'

/** Those that no deadline binds, and that measure nothing. */
export const UNHURRIED = '--project=unhurried'

/**
 * `node` is the binary. With `isBeside`, what it prints is shown at the end: other runs print at the same time. `priority`
 * is that of the operating system, 0 unless told; with `isIdle`, a run has only the time that no other process wants, until `endIdle`.
 * `onStart` is given its process. `hosts` are those that the contract is run on, all unless told. `env` is added to the environment.
 *
 * @typedef {{
 *   readonly node?: string
 *   readonly isBeside?: boolean
 *   readonly priority?: number
 *   readonly isIdle?: boolean
 *   readonly onStart?: (pid: number | undefined) => void
 *   readonly hosts?: readonly string[]
 *   readonly env?: Readonly<Record<string, string>>
 * }} How
 */

/**
 * `notes` says, a paragraph each, what failed and what passed only when it was run again.
 *
 * @typedef {{ passed: number, failed: number, skipped: number, notes: string[] }} Counts
 */

/**
 * Runs vitest and shows what it prints. All that goes wrong without a failed test (a file that does not load, an error
 * outside the tests, a crash) counts as one failed.
 *
 * @param {readonly string[]} args
 * @param {How} [how]
 * @returns {Promise<Counts>}
 */
export async function runVitest(args, how = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-vitest-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  try {
    const cache = ['--experimental.fsModuleCache', `--experimental.fsModuleCachePath=${COMPILED}`]
    const code = await run(how, ['node_modules/vitest/vitest.mjs', 'run', ...cache, ...reporters, ...args])
    const counts = readCounts(report)
    if (code === 0 || counts.failed > 0) return counts
    return { ...counts, failed: 1, notes: [...counts.notes, `✗ vitest ended with ${code} and no failed test`] }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Priorities: what has the processor when tests leave some of it, and what has only what all others leave, and disturbs no
 * measurement of latency.
 */
export const BEHIND = 3
export const LAST = 19

/**
 * A command of Linux that starts another in the class of processes from which every other takes the processor at once; when it is
 * taken out of that class, it has the lowest priority.
 */
const IDLE = ['nice', '-n', String(LAST), 'chrt', '--idle', '0']

/** Whether a run can be started with `isIdle`. */
export const canBeIdle = spawnSync(IDLE[0] ?? '', [...IDLE.slice(1), 'true']).status === 0

/**
 * Takes a process that was started with `isIdle`, and those that it has started, out of the class.
 *
 * @param {number | undefined} pid
 */
export function endIdle(pid) {
  if (pid === undefined || !canBeIdle) return
  spawnSync('chrt', ['--all-tasks', '--other', '--pid', '0', String(pid)])
  for (const child of childrenOf(pid)) endIdle(child)
}

/** @param {number} pid */
function childrenOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/**
 * Of a process, and of those that it will start.
 *
 * @param {number | undefined} pid
 * @param {number} priority
 */
export function prioritize(pid, priority) {
  if (pid === undefined) return
  try {
    setPriority(pid, priority)
  } catch {
    // It has ended already.
  }
}

/**
 * @param {How} how
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
function run(
  { node = process.execPath, isBeside = false, priority = 0, isIdle = false, onStart, hosts, env: more },
  args,
) {
  // The processes that a test starts find the same node first.
  const env = {
    ...process.env,
    ...more,
    PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`,
    ...(hosts && { HOSTS: hosts.join(',') }),
  }
  return new Promise((resolve, reject) => {
    const [command = node, ...rest] = [...(isIdle && canBeIdle ? IDLE : []), node, ...args]
    const child = spawn(command, rest, {
      stdio: ['ignore', isBeside ? 'pipe' : 'inherit', isBeside ? 'pipe' : 'inherit'],
      env,
    })
    if (priority > 0) prioritize(child.pid, priority)
    onStart?.(child.pid)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.on('error', reject).on('close', (code) => {
      process.stdout.write(output)
      resolve(code ?? 1)
    })
  })
}

/** @typedef {{ status: string, fullName: string, failureMessages: string[] }} Test */
/** @typedef {{ status: string, name: string, message: string, assertionResults: Test[] }} TestFile */

/**
 * @param {string} report
 * @returns {Counts}
 */
function readCounts(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
      readFileSync(report, 'utf8'),
    )
    return {
      passed: numPassedTests,
      failed: numFailedTests + testResults.filter(failedToLoad).length,
      skipped: numPendingTests + numTodoTests,
      notes: testResults.flatMap(notesOn),
    }
  } catch {
    return { passed: 0, failed: 0, skipped: 0, notes: [] }
  }
}

/** @param {TestFile} file */
function failedToLoad(file) {
  return file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed')
}

/**
 * @param {TestFile} file
 * @returns {string[]}
 */
function notesOn(file) {
  const path = relative(process.cwd(), file.name)
  const notes = failedToLoad(file) ? [`✗ ${path}\n${indented(file.message)}`] : []
  for (const { status, fullName, failureMessages } of file.assertionResults) {
    if (failureMessages.length === 0) continue
    const outcome = status === 'failed' ? '✗' : `passed when run again (${failureMessages.length} failed before):`
    notes.push(`${outcome} ${path} > ${fullName}\n${indented(failureMessages[0] ?? '')}`)
  }
  return notes
}

/** Lines shown of a failure: a violation of the soak test has a timeline of up to sixty. */
const MOST_LINES = 80

/** The message, and where in our own files it came from. @param {string} failure with its stack */
function indented(failure) {
  const lines = failure
    .split('\n')
    .filter((line) => !/^ +at /.test(line) || !/node_modules|node:|new Promise \(<anonymous>\)/.test(line))
  return lines
    .slice(0, MOST_LINES)
    .map((line) => `    ${line}`)
    .join('\n')
}
