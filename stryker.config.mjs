import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { testsWithRedis } from './scripts/tests-with-redis.mjs'

// npm run mutation: changes the source in one place at a time, and prints how many of these changes a test noticed.
// Only files with unit tests of their own are changed; what is tested on servers would take minutes for each change.
// npm run mutation -- --mutate src/http/rules/vary.ts   changes one file
//
//   MUTATION_SEED=2     another sample of the files
//   MUTATION_LINES=900  about how many lines the files of the sample have together; 0 for all files

/** Assemblies of the parts, which are tested through the middlewares, on real frameworks. */
const ASSEMBLED = /^src\/(http\/(protocol|port)\/|core\/(fallback-cache|options)\.ts)/

const { MUTATION_SEED = '1', MUTATION_LINES = '4000' } = process.env

export default {
  mutate: sample(unitTested(), Number(MUTATION_SEED), Number(MUTATION_LINES)),
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.ts' },
  plugins: ['@stryker-mutator/vitest-runner'],
  coverageAnalysis: 'perTest',
  // What runs once, when a module is loaded, would need all tests in a new process for each change.
  ignoreStatic: true,
  concurrency: 2,
  incremental: true,
  incrementalFile: '.cache/mutation.json',
  tempDirName: '.cache/mutation',
  reporters: ['clear-text', 'progress-append-only'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 90, break: 85 },
}

/** The files of src/core and src/http that have a unit test of their own, which needs no server, and decide by themselves. */
function unitTested() {
  const needServer = new Set(testsWithRedis())
  return ['src/core', 'src/http']
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)))
    .filter((file) => {
      const test = file.replace(/^src/, 'test').replace(/\.ts$/, '.test.ts')
      return file.endsWith('.ts') && existsSync(test) && !needServer.has(test) && !ASSEMBLED.test(file)
    })
    .sort()
}

/**
 * Files drawn by a seed until they have this many lines together.
 *
 * @param {string[]} files
 * @param {number} seed
 * @param {number} lines 0 for no limit
 */
function sample(files, seed, lines) {
  if (lines === 0) return files
  const left = [...files]
  const drawn = []
  let state = seed
  for (let sum = 0; sum < lines && left.length > 0; ) {
    // The generator of "Numerical Recipes": enough to draw files.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const [file = ''] = left.splice(Math.floor((state / 2 ** 32) * left.length), 1)
    drawn.push(file)
    sum += readFileSync(file, 'utf8').split('\n').length
  }
  return drawn.sort()
}
