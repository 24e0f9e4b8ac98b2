import { isAbsolute, join } from 'node:path'
import { executable, onPath } from './on-path.js'

const NAMES = ['redis-server', 'valkey-server']
const COMMON_PLACES = [
  '/usr/bin',
  '/usr/local/bin',
  '/opt/homebrew/bin',
  '/usr/local/opt/redis/bin',
  '/opt/redis/bin',
  '/snap/bin',
]

/**
 * The redis-server (or valkey-server) binary that the tests start their private servers from. Looked for in this
 * order: `FALLBACK_CACHE_TEST_REDIS` and `REDIS_SERVER_BIN` (each the path of a binary), `PATH`, the places where
 * package managers put it. A URL in `FALLBACK_CACHE_TEST_REDIS` is passed over: these tests freeze and kill the
 * server, which cannot be done to the server of another program.
 *
 * @throws Error with the line that installs it, when there is none.
 */
export function findRedisServer(environment: NodeJS.ProcessEnv = process.env): string {
  for (const name of ['FALLBACK_CACHE_TEST_REDIS', 'REDIS_SERVER_BIN'] as const) {
    const given = environment[name]
    if (!given || given.includes('://')) continue
    const found = isAbsolute(given) ? executable(given) : onPath(given, environment)
    if (!found) throw new Error(`${name} is ${given}, which is not an executable file`)
    return found
  }
  for (const name of NAMES) {
    const found =
      onPath(name, environment) ??
      COMMON_PLACES.map((place) => executable(join(place, name))).find((path) => path !== undefined)
    if (found) return found
  }
  throw new Error(`No redis-server and no valkey-server found. Install one: ${installLine()}`)
}

function installLine(): string {
  return process.platform === 'darwin' ? 'brew install redis' : 'apt-get install -y redis-server'
}
