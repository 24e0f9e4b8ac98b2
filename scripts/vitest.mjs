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

/** @typedef {import('./outcomes-reporter.mjs').FileOutcome} FileOutcome */

/**
 * `notes` says, a paragraph each, what failed and what passed only when it was run again.
 *
 * @typedef {{ passed: number, failed: number, skipped: number, notes: string[] }} Counts
 */

/**
 * Runs vitest and shows what it prints. All that goes wrong without a failed test (a file that does not load, an error
 * outside the tests, a crash) counts as one failed. Where CI is set, a file of which a hook failed, or a test twice, is run again in
 * processes of its own: what it starts for all of its tests, such as a cluster, is new then.
 *
 * @param {readonly string[]} args
 * @param {How} [how]
 * @returns {Promise<Counts>}
 */
export async function runVitest(args, how = {}) {
  const { code, files } = await runOnce(args, how)
  const broken = process.env.CI ? files.filter(isBroken) : []
  if (broken.length === 0) return countsOf(files, code)
  const options = args.filter((arg, at) => arg.startsWith('-') || args[at - 1] === '-t')
  const again = await runOnce([...options, ...broken.map(({ path }) => relative(process.cwd(), path))], how)
  const whole = files.filter((file) => !broken.includes(file))
  const { notes, ...counts } = countsOf([...whole, ...again.files], again.code)
  return { ...counts, notes: [...broken.map(noteOnRepeat), ...notes] }
}

/**
 * @param {readonly string[]} args
 * @param {How} how
 * @returns {Promise<{ readonly code: number, readonly files: readonly FileOutcome[] }>}
 */
async function runOnce(args, how) {
  const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-vitest-'))
  const outcomes = join(folder, 'outcomes.json')
  const reporters = ['--reporter=default', '--reporter=./scripts/outcomes-reporter.mjs']
  const cache = ['--experimental.fsModuleCache', `--experimental.fsModuleCachePath=${COMPILED}`]
  try {
    const env = { ...how.env, OUTCOMES: outcomes }
    const code = await run({ ...how, env }, ['node_modules/vitest/vitest.mjs', 'run', ...cache, ...reporters, ...args])
    return { code, files: readOutcomes(outcomes) }
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

/**
 * None if vitest ended before it could write them.
 *
 * @param {string} path
 * @returns {FileOutcome[]}
 */
function readOutcomes(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return []
  }
}

/**
 * @param {readonly FileOutcome[]} files
 * @param {number} code with which vitest ended
 * @returns {Counts}
 */
function countsOf(files, code) {
  const tests = files.flatMap((file) => file.tests)
  const count = (/** @type {string} */ wanted) => tests.filter(({ state }) => state === wanted).length
  const failed = count('failed') + files.filter(failedOutsideTests).length
  const notes = files.flatMap(notesOn)
  const counts = { passed: count('passed'), failed, skipped: count('skipped') + count('pending'), notes }
  if (code === 0 || failed > 0) return counts
  return { ...counts, failed: 1, notes: [...notes, `✗ vitest ended with ${code} and no failed test`] }
}

/** @param {FileOutcome} file */
function isBroken({ failures, tests }) {
  return failures.length > 0 || tests.some(({ state }) => state === 'failed')
}

/** @param {FileOutcome} file */
function failedOutsideTests({ failures, tests }) {
  return failures.length > 0 && !tests.some(({ state }) => state === 'failed')
}

/**
 * @param {FileOutcome} file
 * @returns {string[]}
 */
function notesOn(file) {
  const path = relative(process.cwd(), file.path)
  const notes = file.failures.map((failure) => `✗ ${path}\n${indented(failure)}`)
  for (const { state, name, failures } of file.tests) {
    if (failures.length === 0) continue
    const outcome = state === 'failed' ? '✗' : `passed when run again (${failures.length} failed before):`
    notes.push(`${outcome} ${path} > ${name}\n${indented(failures[0] ?? '')}`)
  }
  return notes
}

/** @param {FileOutcome} file */
function noteOnRepeat(file) {
  const failed = file.tests.filter(({ state }) => state === 'failed')
  const texts = [
    ...file.failures.slice(0, 1),
    ...failed.map(({ name, failures }) => `${name}\n${failures.at(-1) ?? ''}`),
  ]
  return `run again, for ${file.failures.length > 0 ? 'a failed hook' : 'what failed twice'}: ${relative(process.cwd(), file.path)}\n${indented(texts.join('\n'))}`
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
