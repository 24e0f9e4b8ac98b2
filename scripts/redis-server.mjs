import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['redis-server', 'valkey-server']
const COMMON_PLACES = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin', '/usr/local/opt/redis/bin']

/**
 * The package managers that can install a redis-server without asking a question, and how. The first one found on PATH
 * is taken. brew refuses to run as root and needs no rights of its own.
 */
const INSTALLERS = [
  { command: 'brew', needsRoot: false, lines: [['brew', 'install', 'redis']] },
  {
    command: 'apt-get',
    needsRoot: true,
    lines: [
      ['apt-get', 'update', '-qq'],
      ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=60', 'redis-server'],
    ],
  },
  { command: 'dnf', needsRoot: true, lines: [['dnf', 'install', '-y', '-q', 'valkey']] },
  { command: 'apk', needsRoot: true, lines: [['apk', 'add', '-q', 'redis']] },
]

/**
 * The path of a redis-server or valkey-server: `REDIS_SERVER_BIN`, or on PATH, or where package managers put it, or
 * installed now, if that needs no password. Nothing when there is none; then one line has been printed that says what to
 * install.
 *
 * @returns {string | undefined}
 */
export function provideRedisServer() {
  const found = findRedisServer()
  if (found) return found
  const installer = INSTALLERS.find(({ command }) => onPath(command))
  const prefix = installer && privileges(installer.needsRoot)
  if (installer && prefix) {
    console.log(`No redis-server found: installing one with ${installer.command} …`)
    for (const line of installer.lines) {
      const [command = '', ...args] = [...prefix, ...line]
      const { status, stderr } = spawnSync(command, args, {
        stdio: ['ignore', 'ignore', 'pipe'],
        encoding: 'utf8',
        timeout: 300_000,
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' },
      })
      if (status !== 0) console.error(`${line.join(' ')} failed. ${(stderr ?? '').trim().split('\n').at(-1)}`)
    }
    const installed = findRedisServer()
    if (installed) return installed
  }
  console.error(`There is no redis-server and no valkey-server. Install one with: ${installLine(installer)}`)
  return undefined
}

/** @returns {string | undefined} */
function findRedisServer() {
  const given = process.env.REDIS_SERVER_BIN
  if (given) return isExecutable(given) ? given : onPath(given)
  for (const name of NAMES) {
    const found = onPath(name) ?? COMMON_PLACES.map((place) => join(place, name)).find(isExecutable)
    if (found) return found
  }
  return undefined
}

/**
 * What to put before a command so that it runs with the rights it needs, without a question; nothing if that cannot be.
 *
 * @param {boolean} needsRoot
 * @returns {string[] | undefined}
 */
function privileges(needsRoot) {
  const isRoot = process.getuid?.() === 0
  if (!needsRoot) return isRoot ? undefined : []
  if (isRoot) return []
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
    ? ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive']
    : undefined
}

/** @param {typeof INSTALLERS[number] | undefined} installer */
function installLine(installer) {
  if (!installer) return 'the package manager of your system (or set REDIS_SERVER_BIN to its path)'
  const line = installer.lines.at(-1)?.filter((word) => !/^-qq?$|^-o$|^DPkg|^--no-install/.test(word)) ?? []
  return [...(installer.needsRoot ? ['sudo'] : []), ...line].join(' ')
}

/** @param {string} name */
function onPath(name) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((place) => place !== '')
    .map((place) => join(place, name))
    .find(isExecutable)
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
