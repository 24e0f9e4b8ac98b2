import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { installDependencies, npm } from '../scripts/install-dependencies.mjs'
import { collectPages } from './collect.mjs'
import { ENTRIES } from './entries.mjs'

// npm run docs:build writes the site to site/dist; npm run docs:dev serves it, and shows each change of a page.
// The dependencies of the site are in a package of their own, installed here.

const SITE = fileURLToPath(new URL('.', import.meta.url))
const ROOT = fileURLToPath(new URL('..', import.meta.url))

const command = process.argv[2] ?? 'build'
if (!['build', 'dev', 'preview'].includes(command)) {
  console.error('Usage: node site/build.mjs [build|dev|preview]')
  process.exit(2)
}

process.chdir(ROOT)
installDependencies()
installSite()
if (command !== 'preview') {
  collectPages()
  run('typedoc/bin/typedoc', [
    '--options',
    'site/typedoc.json',
    ...ENTRIES.flatMap(({ source }) => ['--entryPoints', source]),
  ])
}
if (command === 'dev') {
  collectAgain()
  const { createServer } = await import('vitepress')
  const server = await createServer(SITE)
  await server.listen()
  server.printUrls()
} else {
  run('vitepress/bin/vitepress.js', [command, 'site'])
}

/** Runs `npm ci` in site/ unless what its lock file asks for is there. */
function installSite() {
  const present = `${SITE}node_modules/.package-lock.json`
  if (existsSync(present) && versions(present) === versions(`${SITE}package-lock.json`)) return
  console.log('Installing what builds the site (npm ci in site/) …')
  const { status } = npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: 'inherit',
    cwd: SITE,
  })
  if (status !== 0) {
    console.error('npm ci failed in site/; see above.')
    process.exit(status ?? 1)
  }
}

/** The packages that every platform needs, with their versions. @param {string} lockFile */
function versions(lockFile) {
  /** @type {{ packages: Record<string, { version?: string, optional?: boolean }> }} */
  const { packages } = JSON.parse(readFileSync(lockFile, 'utf8'))
  return JSON.stringify(
    Object.entries(packages)
      .filter(([path, { optional }]) => path !== '' && optional !== true)
      .map(([path, { version }]) => `${path}@${version}`)
      .sort(),
  )
}

/** @param {string} program of a package in site/node_modules @param {readonly string[]} args */
function run(program, args) {
  const { status } = spawnSync(process.execPath, [`${SITE}node_modules/${program}`, ...args], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** Looks for changes once a second: to watch files loses those that an editor replaces. */
function collectAgain() {
  let last = ''
  setInterval(() => {
    try {
      collectPages()
      last = ''
    } catch (error) {
      // A link to a file that is not there yet.
      if (String(error) !== last) console.error(String(error))
      last = String(error)
    }
  }, 1000)
}
