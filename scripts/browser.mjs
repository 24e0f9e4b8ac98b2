import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { installDependencies } from './install-dependencies.mjs'
import { provideRedisServer } from './redis-server.mjs'
import { runVitest } from './vitest.mjs'

// npm run test:browser: the pages in a real Chromium, which it installs if that needs no password. CHROMIUM=/path names another.

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
installDependencies()
const redisServer = provideRedisServer()
if (redisServer) process.env.REDIS_SERVER_BIN = redisServer
const chromium = findChromium() ?? installedChromium()
if (chromium === undefined) {
  console.error(
    'There is no Chromium. Install one (Debian: apt-get install chromium), or name it: CHROMIUM=/path/to/chromium',
  )
  process.exit(1)
}
process.env.CHROMIUM = chromium
const { failed, passed } = await runVitest(['--project=browser', ...process.argv.slice(2)])
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)

function findChromium() {
  const places = [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ]
  return [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path))
}

function installedChromium() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return undefined
  console.log('No Chromium found: installing one with apt-get …')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', 'chromium'],
  ]) {
    spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env })
  }
  return findChromium()
}
