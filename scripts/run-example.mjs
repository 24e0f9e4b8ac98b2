import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { installDependencies } from './install-dependencies.mjs'
import { provideRedisServer } from './redis-server.mjs'

// node scripts/run-example.mjs [--bundle] examples/demo/server.ts [arguments]: installs what is missing, then runs that file. With
// --bundle as one file, which starts several times as fast: for a program of several processes.

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const isBundled = process.argv[2] === '--bundle'
const [file, ...args] = process.argv.slice(isBundled ? 3 : 2)
if (!file) {
  console.error('Usage: node scripts/run-example.mjs [--bundle] <file> [arguments]')
  process.exit(2)
}

installDependencies()
// In the package it is built already; here it may be missing, or older than its sources.
const { buildDashboardPage } = await import('./dashboard-page.mjs')
await buildDashboardPage()
const env = { ...process.env }
if (process.env.SKIP_REDIS !== '1') {
  const redisServer = provideRedisServer()
  if (redisServer) env.REDIS_SERVER_BIN = redisServer
  else console.log('Going on without Redis: answers are cached in memory.')
}

const program = isBundled
  ? ['--enable-source-maps', (await import('./bundled.mjs')).bundled(file)]
  : ['--import', 'tsx', file]
const child = spawn(process.execPath, [...program, ...args], { stdio: 'inherit', env })
// Ctrl-C reaches the child by itself, through the terminal; what is sent to this process alone is passed on.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
process.on('SIGHUP', () => child.kill('SIGHUP'))
// A npm that is killed takes its shell along, but not this process.
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM')
}, 500).unref()
child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)))
