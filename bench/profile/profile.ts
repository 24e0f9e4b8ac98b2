import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { provideNode } from '../../scripts/node-versions.mjs'
import { buildPrograms, built } from '../build.js'
import { catalog } from '../candidates/catalog.js'
import { drive, type Load } from '../load/load.js'
import { Started } from '../started.js'
import { printTable } from '../table.js'
import { type CpuProfile, type Share, sharesOf } from './groups.js'

// npm run bench:profile -- 'ours express' miss --node=24
//
// Where the time of a candidate goes under one load: whose code runs, and which functions of this library take most.

const loads: Readonly<Record<string, Pick<Load, 'paths' | 'unique' | 'method'>>> = {
  hit: { paths: ['/page/1'] },
  miss: { paths: ['/page/new'], unique: true },
  post: { paths: ['/page/1'], method: 'POST' },
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: 'string', default: process.execPath }, short: { type: 'boolean', default: false } },
})
const [candidate = 'ours express', load = 'hit'] = positionals
const chosen = loads[load]
if (catalog[candidate] === undefined || chosen === undefined) {
  console.error(
    `Usage: npm run bench:profile -- [candidate] [${Object.keys(loads).join(' | ')}]; candidates: ${Object.keys(catalog).join('; ')}`,
  )
  process.exit(2)
}
const node = /^\d+$/.test(flags.node) ? provideNode(flags.node) : flags.node
if (node === undefined) {
  console.error(`No binary of Node.js ${flags.node} for this platform could be had from npm.`)
  process.exit(2)
}

const seconds = flags.short ? 0.3 : 5
await buildPrograms()
const directory = `${built}/profile`
mkdirSync(directory, { recursive: true })
const server = await Started.start(node, { candidate }, '--cpu-prof', `--cpu-prof-dir=${directory}`)
const asked = { ...chosen, connections: 20 }
await drive(server.port, { ...asked, seconds })
const { requests } = await drive(server.port, { ...asked, seconds })
await server.end()
const [file] = readdirSync(directory)
if (file === undefined) throw new Error('there is no profile')
const { groups, own } = sharesOf(JSON.parse(readFileSync(`${directory}/${file}`, 'utf8')) as CpuProfile, seconds)
console.log(
  `${candidate}, ${load}: ${requests} requests in ${seconds} s, on ${node === process.execPath ? process.version : node}`,
)
printTable(['whose code', '% of the time'], groups.filter(({ part }) => part >= 0.005).map(row))
printTable(['function of this library', '% of the time'], own.slice(0, 20).map(row))

function row({ name, part }: Share): string[] {
  return [name || '(anonymous)', (100 * part).toFixed(1)]
}
