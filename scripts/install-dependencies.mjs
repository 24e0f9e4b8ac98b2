import { spawn, spawnSync } from 'node:child_process'
import { lstatSync, readFileSync } from 'node:fs'

// The scripts beside this file run in a clone that has no node_modules yet: they import nothing but node: and each other.

const OLDEST_NODE = { major: 20, minor: 19 }

/** Runs `npm ci` unless node_modules already holds what package-lock.json asks for. Ends the process when that fails. */
export function installDependencies() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < OLDEST_NODE.major || (major === OLDEST_NODE.major && minor < OLDEST_NODE.minor)) {
    console.error(
      `fallback-cache needs Node.js ${OLDEST_NODE.major}.${OLDEST_NODE.minor} or newer; this is ${process.version}.`,
    )
    process.exit(1)
  }
  if (isInstalled()) return
  if (isLink()) {
    console.warn('node_modules is a link, whose target npm ci would empty: if a package is missing, install it there.')
    return
  }
  console.log('Installing dependencies (npm ci) …')
  // include=dev: NODE_ENV=production would leave out what the tests and the demo run on.
  const { status } = npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: 'inherit' })
  if (status !== 0) {
    console.error('npm ci failed; see above.')
    process.exit(status ?? 1)
  }
}

/** Whether node_modules is a symbolic link, such as one that several working trees share. */
function isLink() {
  return lstatSync(new URL('../node_modules', import.meta.url), { throwIfNoEntry: false })?.isSymbolicLink() === true
}

/**
 * Runs npm, the one that runs this script if there is one.
 *
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} options
 */
export function npm(args, options) {
  const { program, before, shell } = npmProgram()
  return spawnSync(program, [...before, ...args], { ...options, shell })
}

/**
 * The same, while this process goes on; settles when npm has ended, whether it succeeded or not.
 *
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<unknown>}
 */
export function npmBeside(args, options) {
  const { program, before, shell } = npmProgram()
  return new Promise((resolve) => {
    spawn(program, [...before, ...args], { ...options, shell })
      .on('error', resolve)
      .on('close', resolve)
  })
}

function npmProgram() {
  const cli = process.env.npm_execpath
  return cli?.endsWith('npm-cli.js')
    ? { program: process.execPath, before: [cli], shell: false }
    : { program: 'npm', before: [], shell: process.platform === 'win32' }
}

/** Compares contents, not dates: a checkout touches the lock file without changing it. */
function isInstalled() {
  const wanted = lockedPackages('package-lock.json')
  const present = lockedPackages('node_modules/.package-lock.json')
  if (!wanted || !present) return false
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true
    const found = present[path]
    return found ? found.version === version : optional === true
  })
}

/**
 * @param {string} lockFile
 * @returns {Record<string, { version?: string, optional?: boolean }> | undefined} by path, or nothing if there is no such file
 */
function lockedPackages(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages
  } catch {
    return undefined
  }
}
