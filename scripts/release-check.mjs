import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npm } from './install-dependencies.mjs'
import { provideRedisServer } from './redis-server.mjs'

// npm run release:check: whether this package, packed with the version of a release candidate, works in every kind of project.
// npm run release:check -- v2.0.0-rc.1: with that version. --quick: without the tests of test/package. Needs `npm run build`.

/** What each framework's project installs beside the tarball; the program is that of `npm run compat`. */
const PROJECTS = {
  'node:http': [],
  express: ['express@5'],
  koa: ['koa@3'],
  fastify: ['fastify@5'],
  hono: ['hono@4', '@hono/node-server'],
  nestjs: ['@nestjs/common', '@nestjs/core', '@nestjs/platform-express', 'reflect-metadata', 'rxjs@7'],
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const version =
  process.argv
    .slice(2)
    .find((arg) => !arg.startsWith('--'))
    ?.replace(/^v/, '') ?? '1.0.0-rc.0'
const scratch = mkdtempSync(join(tmpdir(), 'fallback-cache-release-'))
let failed = 0
try {
  const staged = stage()
  const tarball = packed(staged, scratch)
  say('publint, "Are the types wrong?"', node(['scripts/check-package.mjs'], { PACKAGE_FOLDER: staged }))
  if (!process.argv.includes('--quick')) {
    const redis = provideRedisServer() ?? ''
    const env = { PACKAGE_FOLDER: staged, ALL_COMPILERS: '1', REDIS_SERVER_BIN: redis }
    say('test/package', node(['node_modules/vitest/vitest.mjs', 'run', '--project=package'], env))
  }
  for (const [framework, packages] of Object.entries(PROJECTS)) checkProject(framework, tarball, packages)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(failed === 0 ? `✓ ${version} may be released` : `✗ ${failed} checks of ${version} failed`)
process.exit(failed === 0 ? 0 : 1)

/** The contents of the package in a folder, with the version of the release. */
function stage() {
  const tarball = packed('.', scratch)
  const { status } = spawnSync('tar', ['-xzf', tarball, '-C', scratch])
  if (status !== 0) throw new Error('tar could not unpack the tarball')
  rmSync(tarball)
  const folder = join(scratch, 'package')
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, version }, undefined, 2))
  return folder
}

/** The tarball of a folder. @param {string} folder @param {string} destination */
function packed(folder, destination) {
  const args = ['pack', resolve(folder), '--ignore-scripts', '--silent', '--pack-destination', destination]
  const { status, stdout, stderr } = npm(args, { encoding: 'utf8' })
  const file = String(stdout).trim().split('\n').at(-1)
  if (status !== 0 || !file) throw new Error(`npm pack failed: ${stderr}`)
  return join(destination, file)
}

/** @param {string} framework @param {string} tarball @param {readonly string[]} packages */
function checkProject(framework, tarball, packages) {
  const folder = mkdtempSync(join(scratch, 'project-'))
  writeFileSync(join(folder, 'package.json'), '{ "name": "project", "version": "1.0.0", "private": true }')
  const install = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = npm([...install, tarball, ...packages], { cwd: folder, stdio: 'inherit' })
  if (status !== 0) return say(`${framework}: npm install`, false)
  copyFileSync('scripts/compat-program.mjs', join(folder, 'program.mjs'))
  say(`${framework}, ES modules`, node(['program.mjs', framework], {}, folder))
  const entry = framework === 'node:http' ? '' : `/${framework}`
  writeFileSync(join(folder, 'both.cjs'), bothOf(`fallback-cache${entry}`))
  say(`${framework}, CommonJS has the same names`, node(['both.cjs'], {}, folder))
  if (framework === 'node:http') checkRegistry(folder)
}

/** A program that fails unless an entry has the same names when it is required and when it is imported. @param {string} entry */
function bothOf(entry) {
  return `import('${entry}').then((imported) => {
  const names = (entry) => Object.keys(entry).filter((name) => !/^(default|module\\.exports)$/.test(name)).sort().join()
  if (names(imported) !== names(require('${entry}')) || names(imported) === '') process.exit(1)
})`
}

/** What is told of the dependencies of a project that has nothing else. @param {string} folder */
function checkRegistry(folder) {
  const { stdout } = npm(['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'], { cwd: folder, encoding: 'utf8' })
  const names = [...String(stdout).matchAll(/"bom-ref": "(@?[^@"]+)@/g)].map(([, name]) => name)
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  say(
    'SBOM names each dependency',
    ['fallback-cache', ...Object.keys(dependencies)].every((name) => names.includes(name)),
  )
  const options = { cwd: folder, encoding: /** @type {const} */ ('utf8'), timeout: 120_000 }
  const signatures = npm(['audit', 'signatures'], options)
  const told = `${signatures.stdout}${signatures.stderr}`.trim()
  if (/no (dependencies|signatures)|ETIMEDOUT|E404|ENOTFOUND|keys/i.test(told) || signatures.status === null)
    console.log(
      `- npm audit signatures: this registry gives none (${told.split('\n')[0] || 'no answer in two minutes'})`,
    )
  else say('npm audit signatures', signatures.status === 0)
}

/** @param {readonly string[]} args @param {NodeJS.ProcessEnv} [env] @param {string} [cwd] */
function node(args, env = {}, cwd = '.') {
  const { status } = spawnSync(process.execPath, args, { cwd, env: { ...process.env, ...env }, stdio: 'inherit' })
  return status === 0
}

/** @param {string} what @param {boolean} isRight */
function say(what, isRight) {
  console.log(`${isRight ? '✓' : '✗'} ${what}`)
  if (!isRight) failed += 1
}
