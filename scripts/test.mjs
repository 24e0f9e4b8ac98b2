import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { installDependencies } from './install-dependencies.mjs'
import { NODE_VERSIONS, provideNode } from './node-versions.mjs'
import { provideRedisServer } from './redis-server.mjs'
import {
  BEHIND,
  COMPILED,
  canBeIdle,
  DEADLINES,
  endIdle,
  LAST,
  LIBRARY,
  NO_DEADLINES,
  prioritize,
  runVitest,
  UNHURRIED,
} from './vitest.mjs'

// npm test: everything, on a machine that has Node.js and npm. With arguments (npm test -- test/http) only vitest, with
// those. The last line is "N passed, N failed"; a step that is no test counts only when it fails.
//
//   SKIP_REDIS=1         leaves out the tests that need a redis-server
//   NODE_VERSIONS=22,24  the other Node.js versions to run on; empty for none

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const started = Date.now()
/**
 * What depends on Node.js: its http, streams, timers and buffers. The tarball, too, is used on every version, and
 * `npm run test:node` runs everything on each.
 */
const ON_THE_NEWEST_NODE = [
  'middleware',
  ...['clients', 'clock', 'recordings', 'redis', 'tiers'].map((name) => `core/${name}`),
]
/** Between the oldest and the newest: the contract, and what leans on private parts of Node.js. */
const ON_EVERY_NODE = [
  ...['contract', 'front-door', 'node', 'http2'].map((name) => `middleware/${name}`),
  ...['clients', 'clock'].map((name) => `core/${name}`),
]
/**
 * The hosts of the contract: on this version, and on the others in their order. Each is held to it once at least. Without all of
 * the others (`NODE_VERSIONS=`), and in `npm run test:node`, it is held on all hosts.
 */
const HOSTS_HERE = ['express', 'koa-front', 'node']
const HOSTS_ON_OTHERS = [
  ['express4-front', 'koa2'],
  ['express4', 'koa2-front'],
  ['express-front', 'koa', 'fastify', 'hono'],
]
const NEWEST = NODE_VERSIONS.at(-1)
/** Of the simulation: a short form. Alone it plays 2,000, and each night 20,000. */
const SEEDS = '600'
/** Each command that the library sends, as a user with no more permissions than docs/redis.md names. CI runs all that need a Redis. */
const WITH_LEAST_PERMISSIONS = ['core/contract-redis', 'coherence/amendment', 'coherence/owner']
/** @type {import('./vitest.mjs').Counts} */
const total = { passed: 0, failed: 0, skipped: 0, notes: [] }

installDependencies()
if (process.env.SKIP_REDIS === '1') {
  console.log('SKIP_REDIS=1: the tests that need a redis-server are left out.')
} else {
  const redisServer = provideRedisServer()
  if (redisServer) process.env.REDIS_SERVER_BIN = redisServer
  else finish({ passed: 0, failed: 1, skipped: 0, notes: ['✗ no redis-server'] })
}

const onlyThese = process.argv.slice(2)
if (onlyThese.length > 0) finish(await runVitest(onlyThese))

rmSync(COMPILED, { recursive: true, force: true })

await tests('latency of single calls', ['--project=alone'])
// The other measurements of latency mostly wait. What has no deadline of milliseconds takes that time, and is not left to what the
// tests behind leave of the processor: it starts programs. The checks and the simulation are. One process at a time, so that one
// core is free for what is measured; the simulation, if it can be told to give up the processor at once, runs beside them.
const building = build()
const unhurriedDone = building.then(unhurried)
/** @type {number | undefined} */
let simulating
const simulated = canBeIdle ? simulation() : unhurriedDone.then(simulation)
const checked = unhurriedDone.then(async () => check(await building))
await Promise.all([tests('latency', ['--project=latency']), unhurriedDone])
endIdle(simulating)
// Fetched while the tests run on this version.
const others = otherVersions().map((major, index) => ({
  major,
  fetched: provideNode(major),
  hosts: HOSTS_ON_OTHERS[index] ?? [],
}))
const hosts = others.length < HOSTS_ON_OTHERS.length ? {} : { hosts: HOSTS_HERE }
const packing = Promise.all(others.map(({ fetched }) => fetched)).then(async () => packed(await building))
// Two runs at a time, those that take longest first. What may miss no deadline has its turn before the others, which share the
// rest alike: a test that only computes is not kept waiting until its time is over.
await twoAtATime([
  deadlines,
  () => tests(`Node.js ${process.version}`, [...NO_DEADLINES, '--maxWorkers=4'], { ...hosts, priority: BEHIND }),
  ...others.toReversed().map((other) => () => onOtherNode(other)),
  leastPermissions,
])
await Promise.all([checked, simulated, packing])

finish(total)

/** @param {(() => Promise<void>)[]} jobs */
async function twoAtATime(jobs) {
  const work = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job()
  }
  await Promise.all([work(), work()])
}

/** @param {{ major: string, fetched: Promise<string | undefined>, hosts: readonly string[] }} other */
async function onOtherNode({ major, fetched, hosts }) {
  const node = await fetched
  const names = major === NEWEST ? ON_THE_NEWEST_NODE : ON_EVERY_NODE
  const files = names.map((name) => `test/${name}`)
  // Of the files with deadlines, those of coherence are left out there: three at a time.
  const env = { WORKERS: '3' }
  if (node)
    await tests(`Node.js ${major}`, [...LIBRARY, ...files], { node, isBeside: true, hosts, env, priority: BEHIND })
  else missing(`Node.js ${major}: no binary for ${process.platform}-${process.arch} could be had from npm`)
}

/** Each of them needs a Redis. */
async function deadlines() {
  if (process.env.SKIP_REDIS === '1') return
  await tests(`Node.js ${process.version}, deadlines`, [DEADLINES], { isBeside: true })
}

async function leastPermissions() {
  if (process.env.SKIP_REDIS === '1') return
  const files = WITH_LEAST_PERMISSIONS.map((name) => `test/${name}.test.ts`)
  await tests('the least permissions', [...LIBRARY, ...files], {
    isBeside: true,
    priority: BEHIND,
    env: { REDIS_ACL: 'least' },
  })
}

/** Installations, which may wait for the network and for each other: one at a time. */
async function packed(/** @type {boolean} */ isBuilt) {
  if (!isBuilt) return
  await tests('the packed tarball', ['--project=package', '--maxWorkers=1'], { isBeside: true, priority: BEHIND })
}

async function unhurried() {
  await tests('without deadlines', [UNHURRIED, '--maxWorkers=1'], { isBeside: true, priority: LAST })
}

async function simulation() {
  const env = { SEEDS: process.env.SEEDS ?? SEEDS }
  const onStart = (/** @type {number | undefined} */ pid) => {
    simulating = pid
  }
  const how = canBeIdle ? { isIdle: true, onStart } : { priority: LAST }
  await tests('the simulation', ['--project=simulation', '--maxWorkers=1'], { isBeside: true, env, ...how })
  simulating = undefined
}

/** @returns {Promise<boolean>} whether there is a build to test */
function build() {
  return step('build', ['node_modules/tsdown/dist/run.mjs', '--logLevel', 'warn'])
}

async function check(/** @type {boolean} */ isBuilt) {
  if (isBuilt) await step('package', ['scripts/check-package.mjs'])
  await step('lint', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'])
  await step('unused files, exports and dependencies', ['node_modules/knip/bin/knip.js'])
  await step('types', ['node_modules/typescript-7/bin/tsc', '-p', '.'])
  // Decorators of parameters are an experiment of TypeScript, and of this example alone.
  await step('types of the NestJS example', ['node_modules/typescript-7/bin/tsc', '-p', 'examples/nestjs'])
}

/**
 * Something that has to succeed and is no test. What it prints is shown only when it does not.
 *
 * @param {string} name
 * @param {readonly string[]} args of node
 * @returns {Promise<boolean>}
 */
async function step(name, args) {
  const begun = Date.now()
  const { code, output } = await capture(args)
  console.log(`${code === 0 ? '✓' : '✗'} ${name} (${seconds(begun)})`)
  if (code === 0) return true
  console.log(output)
  total.failed += 1
  total.notes.push(`✗ ${name}`)
  return false
}

/**
 * @param {string} name
 * @param {readonly string[]} args of vitest
 * @param {import('./vitest.mjs').How} [how]
 */
async function tests(name, args, how = {}) {
  const begun = Date.now()
  if (!how.isBeside) console.log(`\n— ${name}`)
  const counts = await runVitest(args, how)
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  total.notes.push(...counts.notes.map((note) => `${name}: ${note}`))
  console.log(`${counts.failed === 0 ? '✓' : '✗'} ${name}: ${summary(counts)} (${seconds(begun)})`)
}

/** The other versions are a promise that CI has to keep; a machine at home may be offline. @param {string} what */
function missing(what) {
  console.log(`\n${process.env.CI ? '✗' : 'SKIPPED'} ${what}`)
  if (!process.env.CI) total.skipped += 1
  else {
    total.failed += 1
    total.notes.push(`✗ ${what}`)
  }
}

function otherVersions() {
  const wanted = process.env.NODE_VERSIONS?.split(',').filter((major) => major !== '') ?? NODE_VERSIONS
  return wanted.filter((major) => major !== process.versions.node.split('.')[0])
}

/**
 * @param {readonly string[]} args of node
 * @returns {Promise<{ code: number, output: string }>}
 */
function capture(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    prioritize(child.pid, LAST)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.on('error', reject).on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

/** @param {number} begun */
function seconds(begun) {
  return `${((Date.now() - begun) / 1000).toFixed(1)} s`
}

/** @param {import('./vitest.mjs').Counts} counts */
function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/**
 * What failed is said once more at the end, where it is easy to find.
 *
 * @param {import('./vitest.mjs').Counts} counts
 * @returns {never}
 */
function finish(counts) {
  for (const note of counts.notes) console.log(`\n${note}`)
  console.log(`\nIn ${seconds(started)}:\n${summary(counts)}`)
  process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1)
}
