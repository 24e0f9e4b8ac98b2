import { fileURLToPath } from 'node:url'
import { installDependencies } from './install-dependencies.mjs'
import { NODE_VERSIONS, provideNode } from './node-versions.mjs'
import { provideRedisServer } from './redis-server.mjs'
import { LIBRARY, runVitest, UNHURRIED } from './vitest.mjs'

// npm run test:node -- 26 test/http: the tests on that version of Node.js. Without arguments: all of them, on all versions.

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const args = process.argv.slice(2)
const versions = args.filter((argument) => NODE_VERSIONS.includes(argument))
const filters = args.filter((argument) => !NODE_VERSIONS.includes(argument))

installDependencies()
const redisServer = provideRedisServer()
if (redisServer) process.env.REDIS_SERVER_BIN = redisServer

for (const major of versions.length > 0 ? versions : NODE_VERSIONS) {
  const node = await provideNode(major)
  if (!node)
    throw new Error(`No binary of Node.js ${major} for ${process.platform}-${process.arch} could be had from npm`)
  console.log(`\n— Node.js ${major}`)
  const { failed } = await runVitest([...LIBRARY, UNHURRIED, '--project=latency', '--project=alone', ...filters], {
    node,
  })
  if (failed > 0) process.exitCode = 1
}
