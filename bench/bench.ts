import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { provideNode } from '../scripts/node-versions.mjs'
import { findRedisServer } from '../test/support/find-redis-server.js'
import { RedisServer } from '../test/support/redis-server.js'
import { buildBefore, buildPrograms } from './build.js'
import { curves } from './curves/curves.js'
import { compareRuns, keepRun } from './kept-runs.js'
import { generator } from './load/load.js'
import { costOfPageFault } from './page-fault.js'
import { canPin, pin, pinNothing } from './pinned.js'
import type { Measured, Scenario, Surroundings } from './scenario.js'
import { bodies } from './scenarios/bodies.js'
import { codings } from './scenarios/codings.js'
import { cold } from './scenarios/cold.js'
import { confirmed } from './scenarios/confirmed.js'
import { forms } from './scenarios/forms.js'
import { hits } from './scenarios/hits.js'
import { invalidation } from './scenarios/invalidation.js'
import { keys } from './scenarios/keys.js'
import { latency } from './scenarios/latency.js'
import { memory } from './scenarios/memory.js'
import { metrics } from './scenarios/metrics.js'
import { misses } from './scenarios/misses.js'
import { oneCopy } from './scenarios/one-copy.js'
import { outage } from './scenarios/outage.js'
import { processes } from './scenarios/processes.js'
import { redisCommands } from './scenarios/redis-commands.js'
import { stampede } from './scenarios/stampede.js'
import { shown } from './table.js'
import { printTargets } from './targets.js'

// npm run bench                     all scenarios, in less than half an hour
// npm run bench -- hot-1k 304       these scenarios
// npm run bench -- curves           the curves, drawn into docs/plots; or one of them: cpu-by-body-size, …
// npm run bench -- --short          whether everything runs; the numbers mean nothing
//
//   --node=24   runs the candidates on that version (fetched when it is not here), or on /path/to/node
//   --rounds=5   more rounds   --processes=3   more fresh processes
//   --before=../other   beside this library, that of another checkout: what has become dearer, and what is noise
//
// npm run bench -- compare                   the last two runs: each is kept in .cache/bench-runs
// npm run bench -- compare one.json other.json

const scenarios: readonly Scenario[] = [
  ...hits,
  metrics,
  ...keys,
  redisCommands,
  ...misses,
  ...forms,
  codings,
  ...bodies,
  stampede,
  cold,
  outage,
  memory,
  invalidation,
  processes,
  oneCopy,
  confirmed,
  latency,
]

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
    rounds: { type: 'string', default: '2' },
    processes: { type: 'string', default: '1' },
    before: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (flags.help) {
  console.log(
    'npm run bench -- [scenario…] [--short] [--node=<version or path>] [--rounds=<n>] [--processes=<n>] [--before=<checkout>]\n' +
      'npm run bench -- compare [<file of a run> <another>]\n\n' +
      `Scenarios: ${scenarios.map(({ name }) => name).join(', ')}; curves. docs/performance.md explains them.`,
  )
  process.exit(0)
}
if (positionals[0] === 'compare') {
  try {
    compareRuns(positionals.slice(1))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
  process.exit(0)
}
const wanted = positionals.flatMap((name) => (name === 'curves' ? curves.map((curve) => curve.name) : [name]))
const all = [...scenarios, ...curves]
const unknown = wanted.filter((name) => !all.some((scenario) => scenario.name === name))
if (unknown.length > 0) {
  console.error(
    `No scenario is called ${unknown.join(', ')}. There are ${all.map(({ name }) => name).join(', ')}, and curves for all of these that are.`,
  )
  process.exit(2)
}
const node = /^\d+$/.test(flags.node) ? await provideNode(flags.node) : flags.node
if (node === undefined) {
  console.error(`No binary of Node.js ${flags.node} for this platform could be had from npm.`)
  process.exit(2)
}

const begun = Date.now()
if (flags.short) pinNothing()
await buildPrograms()
if (flags.before !== undefined) await buildBefore(flags.before)
const redis = await startRedis()
const around: Surroundings = {
  node,
  redis,
  rounds: flags.short ? 1 : Number(flags.rounds),
  processes: flags.short ? 1 : Number(flags.processes),
  hasBefore: flags.before !== undefined,
  isShort: flags.short,
}
console.log(
  `Candidates on ${node === process.execPath ? process.version : node}. ${availableParallelism()} cores${canPin ? ', the server on one, the load and Redis on another' : ''}; load by ${generator === 'wrk' ? 'wrk' : 'a generator of our own'}.\n` +
    'CPU: user and system time of the server process for one request. Trust it and its ratios; throughput and latency are those of a busy server.\n',
)
console.log(
  `Faults: pages of memory that the kernel had to give for one request. One costs ${shown(costOfPageFault(), 1)} µs of the processor time here.\n`,
)
const measured: Measured = new Map()
try {
  for (const scenario of chosen()) {
    const started = Date.now()
    console.log(`## ${scenario.name}: ${scenario.about}`)
    if (scenario.needsRedis === true && redis === undefined) console.log('left out: there is no redis-server\n')
    else for (const [name, value] of await scenario.run(around)) measured.set(name, value)
    console.log(`${scenario.name} took ${seconds(started)}\n`)
  }
  printTargets(measured, wanted.length === 0)
  if (!flags.short) {
    const scenarios = chosen().map(({ name }) => name)
    console.log(`Kept in ${relative(process.cwd(), keepRun({ node: flags.node, scenarios }, measured))}.`)
  }
  console.log(`In ${seconds(begun)}.`)
} finally {
  await redis?.stop()
}

function chosen(): readonly Scenario[] {
  if (wanted.length > 0) return all.filter(({ name }) => wanted.includes(name))
  return around.isShort ? scenarios.filter(({ isInShort }) => isInShort === true) : scenarios
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(0)} s`
}

async function startRedis(): Promise<RedisServer | undefined> {
  try {
    findRedisServer()
  } catch {
    return undefined
  }
  const server = await RedisServer.start()
  pin(server.pid, 1)
  return server
}
