import { fileURLToPath } from 'node:url'
import { installDependencies } from './install-dependencies.mjs'
import { provideServer, SERVERS } from './servers.mjs'
import { LIBRARY, runVitest } from './vitest.mjs'

// npm run test:servers -- redis-8 test/coherence: the tests on that server. Without arguments: all that need a Redis, on all servers.

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const args = process.argv.slice(2)
const names = args.filter((argument) => argument in SERVERS)
const filters = args.filter((argument) => !(argument in SERVERS))
const NEED_REDIS = ['test/core', 'test/coherence', 'test/faults', 'test/attacks/redis', 'test/middleware/contract']

installDependencies()
process.env.HOSTS = 'express-front,koa'
/** @type {string[]} */
const table = []
for (const name of names.length > 0 ? names : Object.keys(SERVERS)) {
  const binary = provideServer(name)
  if (!binary) {
    table.push(`${name}: not to be had on this machine`)
    process.exitCode = 1
    continue
  }
  console.log(`\n— ${name} (${binary})`)
  process.env.REDIS_SERVER_BIN = binary
  const { passed, failed, skipped } = await runVitest([...LIBRARY, ...(filters.length > 0 ? filters : NEED_REDIS)])
  table.push(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  if (failed > 0) process.exitCode = 1
}
console.log(`\n${table.join('\n')}`)
