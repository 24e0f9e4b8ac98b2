import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npmBeside } from './install-dependencies.mjs'
import { NODE_VERSIONS, provideNode } from './node-versions.mjs'
import { runVitest } from './vitest.mjs'

// npm run compat: runs this package with everything that docs/compatibility.md names, and writes the results there.
// npm run compat -- connect "Koa": only the rows whose names contain one of the texts. --dry: writes nothing. Needs `npm run build`.

const PAGE = 'docs/compatibility.md'
const CONTRACT = 'test/middleware/contract-'

/**
 * One row: tests of this repository (`files`, of which `only` those names), or a program that runs a framework or a bundler.
 * `install` names packages, with spaces between them.
 *
 * @typedef {{
 *   readonly name: string
 *   readonly files?: readonly string[]
 *   readonly only?: string
 *   readonly node?: string
 *   readonly env?: Readonly<Record<string, string>>
 *   readonly framework?: string
 *   readonly reads?: boolean
 *   readonly bundler?: string
 *   readonly install?: string
 *   readonly runtime?: { readonly install: string, readonly binary: string, readonly args: readonly string[] }
 * }} Row
 */

const CLIENTS = ['url', 'ioredis 6', 'ioredis 5', 'iovalkey', 'node-redis 6', 'node-redis 5', 'node-redis 4']

const BUN = bin('@oven/bun-linux-x64', 'bin/bun', [])
const DENO = bin('@deno/linux-x64-glibc', 'deno', ['run', '-A'])

const ROLLUP = 'rollup@4 @rollup/plugin-node-resolve@16 @rollup/plugin-commonjs@29 @rollup/plugin-json@6'

/** @type {readonly Row[]} */
export const ROWS = [
  { name: 'Express 5', files: [`${CONTRACT}express.test.ts`] },
  { name: 'Express 4', files: [`${CONTRACT}express4.test.ts`] },
  { name: 'Koa 3', files: [`${CONTRACT}koa.test.ts`] },
  { name: 'Koa 2', files: [`${CONTRACT}koa2.test.ts`] },
  { name: 'Fastify 5', files: [`${CONTRACT}fastify.test.ts`] },
  { name: 'Hono 4 on Node.js', files: [`${CONTRACT}hono.test.ts`] },
  {
    name: 'Hono 4 on Node.js by `cached.fetch`',
    files: [`${CONTRACT}hono-fetch.test.ts`],
    env: { WHOLE_CONTRACT: '1' },
  },
  { name: 'NestJS 12 on Express', files: ['test/examples/nestjs.test.ts'] },
  {
    name: 'NestJS 12 on Fastify, the plugin',
    framework: 'nestjs-fastify',
    install: '@nestjs/common@12 @nestjs/core@12 @nestjs/platform-fastify@12 reflect-metadata rxjs@7',
  },
  {
    name: 'Next.js 16 with a custom server and `inputs: false`',
    framework: 'next',
    install: 'next@16 react@19 react-dom@19',
    env: { INPUTS: 'false' },
  },
  { name: 'node:http', files: [`${CONTRACT}node.test.ts`] },
  { name: 'node:http2', files: ['test/middleware/http2.test.ts'] },
  { name: 'node:http, the built package', framework: 'node:http' },
  { name: 'connect 3', framework: 'connect', install: 'connect@3' },
  { name: 'polka 0.5', framework: 'polka', install: 'polka@0.5' },
  { name: 'restify 12, on Node.js 24', framework: 'restify', install: 'restify@12', node: '24' },
  ...CLIENTS.map((kind) => ({
    name: kind === 'url' ? 'a Redis URL (ioredis 6)' : kind,
    files: ['test/core/clients.test.ts'],
    only: `FallbackCache with ${kind} `,
  })),
  ...NODE_VERSIONS.map((node) => ({
    name: `Node.js ${node}`,
    files: [`${CONTRACT}express.test.ts`, `${CONTRACT}koa.test.ts`],
    node,
  })),
  { name: 'Bun, with Express 5', framework: 'express', runtime: BUN },
  { name: 'Bun, what handlers of Express 5 read', reads: true, runtime: BUN },
  { name: 'Bun, with Koa 3', framework: 'koa', runtime: BUN },
  { name: 'Bun, with Hono 4 on @hono/node-server', framework: 'hono', runtime: BUN },
  { name: 'Bun.serve, with Hono 4', framework: 'hono-fetch', runtime: BUN },
  { name: 'Deno, with Express 5', framework: 'express', runtime: DENO },
  { name: 'Deno, what handlers of Express 5 read', reads: true, runtime: DENO },
  { name: 'Deno.serve, with Hono 4', framework: 'hono-fetch', runtime: DENO },
  {
    name: 'TypeScript 5.0, 5.9 and 7, ESM, CommonJS and bundler',
    files: ['test/package/types.test.ts'],
    env: { ALL_COMPILERS: '1' },
  },
  { name: 'esbuild, to ESM and CommonJS', files: ['test/package/bundles.test.ts'] },
  { name: 'Rollup 4, to ESM and CommonJS', bundler: 'rollup', install: ROLLUP },
  { name: 'webpack 5, to ESM and CommonJS', bundler: 'webpack', install: 'webpack@5' },
  { name: 'ncc 0.45, to ESM and CommonJS', bundler: 'ncc', install: '@vercel/ncc@0.45' },
  { name: 'Next.js 16, by Turbopack and webpack', bundler: 'next', install: 'next@16 react@19 react-dom@19 ioredis@6' },
]

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))

/** @param {readonly string[]} args */
async function main(args) {
  process.chdir(fileURLToPath(new URL('..', import.meta.url)))
  if (!existsSync('dist/index.mjs')) throw new Error('There is no dist/: run npm run build first')
  const texts = args.filter((arg) => !arg.startsWith('--')).map((text) => text.toLowerCase())
  const chosen = ROWS.filter(
    ({ name }) => texts.length === 0 || texts.some((text) => name.toLowerCase().includes(text)),
  )
  if (chosen.length === 0) throw new Error(`no row is called so: ${ROWS.map(({ name }) => name).join(', ')}`)
  /** @type {Map<string, string>} */
  const results = new Map()
  for (const row of chosen) {
    const result = row.files === undefined ? await runProgram(row) : await runTests(row, row.files)
    results.set(row.name, result)
    console.log(`${row.name}: ${result}`)
    if (result.startsWith('failed')) process.exitCode = 1
    if (!args.includes('--dry')) writeFileSync(PAGE, withResults(readFileSync(PAGE, 'utf8'), results))
  }
}

/**
 * @param {Row} row
 * @param {readonly string[]} files
 */
async function runTests({ only, node, env = {} }, files) {
  const binary = node === undefined ? process.execPath : await provideNode(node)
  if (binary === undefined) return 'not available'
  Object.assign(process.env, env)
  const { passed, failed } = await runVitest([...files, ...(only === undefined ? [] : ['-t', only])], { node: binary })
  for (const name of Object.keys(env)) delete process.env[name]
  if (failed > 0) return `failed (${failed} of ${passed + failed} tests)`
  return passed > 0 ? `passed (${passed} tests)` : 'failed (no test ran)'
}

/** @param {Row} row */
async function runProgram({ framework = '', bundler, reads, install, runtime, node, env }) {
  const folder = install === undefined ? '.' : await installed(install)
  const binary = runtime === undefined ? await provideNode(node ?? current()) : await binaryOf(runtime)
  if (folder === undefined || binary === undefined) return 'not available'
  const program = programOf({ framework, bundler, reads })
  const args = [...(runtime?.args ?? []), ...program, folder]
  const { status, signal, stderr } = spawnSync(binary, args, {
    encoding: 'utf8',
    timeout: 600_000,
    env: { ...process.env, ...env },
  })
  if (status === 0) return resultOf({ bundler, reads })
  console.log(signal === null ? stderr : `${stderr}\nended by ${signal}: it may have taken more than ten minutes`)
  return 'failed'
}

/** @typedef {{ readonly bundler: string | undefined, readonly reads: boolean | undefined }} Kind */

/** @param {Kind & { readonly framework: string }} row */
function programOf({ framework, bundler, reads }) {
  if (reads) return ['scripts/compat-inputs.mjs']
  if (bundler === 'next') return ['scripts/compat-next.mjs']
  return bundler === undefined ? ['scripts/compat-program.mjs', framework] : ['scripts/compat-bundle.mjs', bundler]
}

/** The result of a program that has ended well. @param {Kind} row */
function resultOf({ bundler, reads }) {
  if (reads) return 'passed (two visitors get pages of their own)'
  return `passed (${bundler === undefined ? 'a hit, and an invalidation' : 'with ioredis, and without'})`
}

/** Installs packages into a folder of their own. @param {string} spec @returns {Promise<string | undefined>} */
async function installed(spec) {
  const folder = resolve('.cache/compat', spec.replaceAll(/\W+/g, '-'))
  if (existsSync(join(folder, 'node_modules'))) return folder
  const args = ['install', '--prefix', folder, '--no-save', '--no-package-lock', '--ignore-scripts', '--loglevel=error']
  await npmBeside([...args, '--no-audit', '--no-fund', ...spec.split(' ')], { stdio: ['ignore', 'ignore', 'inherit'] })
  return existsSync(join(folder, 'node_modules')) ? folder : undefined
}

/** @param {NonNullable<Row['runtime']>} runtime */
async function binaryOf({ install, binary }) {
  const folder = await installed(install)
  const path = folder && join(folder, 'node_modules', install, binary)
  return path !== undefined && existsSync(path) ? path : undefined
}

/** A runtime from npm. @param {string} install @param {string} binary @param {readonly string[]} args */
function bin(install, binary, args) {
  return { install, binary, args }
}

function current() {
  return process.versions.node.split('.')[0] ?? ''
}

/**
 * The page, with these results in its table; the other rows stay as they are.
 *
 * @param {string} page
 * @param {ReadonlyMap<string, string>} results
 */
export function withResults(page, results) {
  const known = new Map(
    Array.from(page.matchAll(/^\| (.+?) \| (.+?) \|$/gm), ([, name = '', said = '']) => [name, said]),
  )
  const rows = ROWS.map(({ name }) => `| ${name} | ${results.get(name) ?? known.get(name) ?? 'not run'} |`)
  const table = ['| with | result |', '|---|---|', ...rows].join('\n')
  return page.replace(/(<!-- compat -->\n)[\s\S]*?(\n<!-- \/compat -->)/, (_, begin, end) => `${begin}${table}${end}`)
}
