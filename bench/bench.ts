import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { findRedisServer } from '../test/support/find-redis-server.js'
import { RedisServer } from '../test/support/redis-server.js'
import { buildPrograms } from './build.js'
import { generator } from './load/load.js'
import { canPin, pin } from './pinned.js'
import type { Measured, Scenario, Surroundings } from './scenario.js'
import { hits } from './scenarios/hits.js'
import { invalidation } from './scenarios/invalidation.js'
import { memory } from './scenarios/memory.js'
import { outage } from './scenarios/outage.js'
import { stampede } from './scenarios/stampede.js'
import { printTargets } from './targets.js'

// npm run bench                     everything
// npm run bench -- hot-1k 304       these scenarios
// npm run bench -- --short          whether everything runs, in seconds; the numbers mean nothing
//
//   --node=/path/to/node   runs the candidates   --rounds=5   more rounds   --large   a million keys too

const scenarios: readonly Scenario[] = [...hits, stampede, outage, invalidation, memory]

const { values: flags, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
    rounds: { type: 'string', default: '3' },
  },
})
const unknown = wanted.filter((name) => !scenarios.some((scenario) => scenario.name === name))
if (unknown.length > 0) {
  console.error(
    `No scenario is called ${unknown.join(', ')}. There are ${scenarios.map(({ name }) => name).join(', ')}.`,
  )
  process.exit(2)
}

await buildPrograms()
const redis = await startRedis()
const around: Surroundings = {
  node: flags.node,
  redis,
  rounds: flags.short ? 1 : Number(flags.rounds),
  isShort: flags.short,
  isLarge: flags.large,
}
console.log(
  `${availableParallelism()} cores${canPin ? ', the server on one, the load and Redis on another' : ''}; load by ${generator === 'wrk' ? 'wrk' : 'a generator of our own'}.\n` +
    'CPU: user and system time of the server process for one request. Trust it and its ratios; throughput and latency are those of a busy server.\n',
)
const measured: Measured = new Map()
try {
  for (const scenario of scenarios) {
    if (wanted.length > 0 ? !wanted.includes(scenario.name) : around.isShort && scenario.isInShort !== true) continue
    const begun = Date.now()
    console.log(`## ${scenario.name}: ${scenario.about}`)
    if (scenario.needsRedis === true && redis === undefined) console.log('left out: there is no redis-server\n')
    else for (const [name, value] of await scenario.run(around)) measured.set(name, value)
    console.log(`${scenario.name} took ${((Date.now() - begun) / 1000).toFixed(0)} s\n`)
  }
  console.log('## targets')
  printTargets(measured)
} finally {
  await redis?.stop()
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
