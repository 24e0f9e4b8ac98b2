import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { provideNode } from '../../scripts/node-versions.mjs'
import { RedisServer } from '../../test/support/redis-server.js'
import { buildPrograms, built } from '../build.js'
import { catalog } from '../candidates/catalog.js'
import { drive } from '../load/load.js'
import { pin } from '../pinned.js'
import { Started } from '../started.js'
import { printTable, sum } from '../table.js'
import { type CpuProfile, type Share, sharesOf } from './groups.js'
import { loads } from './loads.js'

// npm run bench:profile -- 'ours express' miss --node=24
//
// Where the time of a candidate goes under one load: whose code runs, and which functions of this library take most.

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: 'string', default: process.execPath }, short: { type: 'boolean', default: false } },
})
const [candidate = 'ours express', name = 'hit'] = positionals
const chosen = loads[name]
if (catalog[candidate] === undefined || chosen === undefined) {
  console.error(
    `Usage: npm run bench:profile -- [candidate] [${Object.keys(loads).join(' | ')}]; candidates: ${Object.keys(catalog).join('; ')}`,
  )
  process.exit(2)
}
const node = /^\d+$/.test(flags.node) ? await provideNode(flags.node) : flags.node
if (node === undefined) {
  console.error(`No binary of Node.js ${flags.node} for this platform could be had from npm.`)
  process.exit(2)
}

const { size = 1024, maxEntries = 20_000, processes = 1, revalidates, isRedisGone, ...asked } = chosen
// A second, for a process of low priority also: fewer samples may name none of its functions.
const seconds = flags.short ? 1 : 5
await buildPrograms()
const directory = `${built}/profile`
mkdirSync(directory, { recursive: true })
const redis = /\bredis\b|memory-first/.test(candidate) ? await RedisServer.start() : undefined
if (redis !== undefined) pin(redis.pid, 1)
try {
  const setup = { candidate, size, maxEntries, redisPort: redis?.port ?? 0 }
  const profiled = await Started.start(node, setup, '--cpu-prof', `--cpu-prof-dir=${directory}`)
  const others = await Promise.all(Array.from({ length: processes - 1 }, () => Started.start(node, setup)))
  if (isRedisGone === true) await redis?.kill()
  const { etag } = (await profiled.get(asked.paths[0] ?? '/')).headers
  const load = {
    ...asked,
    ...(revalidates === true && { headers: { 'If-None-Match': String(etag) } }),
    connections: 48 / processes,
    seconds,
  }
  const driveAll = () => Promise.all([profiled, ...others].map(({ port }) => drive(port, load)))
  await driveAll()
  const driven = await driveAll()
  await Promise.all([profiled.end(), ...others.map((server) => server.stop())])
  print(sum(driven.map(({ requests }) => requests)))
} finally {
  await redis?.stop()
}

function print(requests: number): void {
  const [file] = readdirSync(directory)
  if (file === undefined) throw new Error('there is no profile')
  const { groups, own, outside } = sharesOf(
    JSON.parse(readFileSync(`${directory}/${file}`, 'utf8')) as CpuProfile,
    seconds,
  )
  console.log(
    `${candidate}, ${name}: ${requests} requests in ${seconds} s, on ${node === process.execPath ? process.version : node}`,
  )
  printTable(['whose code', '% of the time'], groups.filter(({ part }) => part >= 0.005).map(row))
  printTable(['function of this library', '% of the time'], own.slice(0, 20).map(row))
  printTable(['outside of JavaScript', '% of the time'], outside.slice(0, 10).map(row))
}

function row({ name, part }: Share): string[] {
  return [name || '(anonymous)', (100 * part).toFixed(1)]
}
