import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { linkBuiltPackage } from './built-package.mjs'

// node scripts/compat-bundle.mjs BUNDLER FOLDER: whether a bundler that is installed in a folder makes bundles of the built
// package, with ioredis and without it, that run. Ends with an error if not. `npm run compat` runs it.

const PROGRAM = `
import { FallbackCache } from 'fallback-cache'
async function main() {
  const cache = new FallbackCache({ redis: 'redis://127.0.0.1:1' })
  await cache.set('k', 'from memory')
  for (let at = 0; at < 100 && cache.stats().redisError === undefined; at++) await new Promise((done) => setTimeout(done, 50))
  console.log(JSON.stringify({ value: await cache.get('k'), problem: cache.stats().redisError }))
  await cache.close()
}
main().catch((error) => console.log(JSON.stringify({ thrown: error.message })))
`

const [bundler = '', folder = '.'] = process.argv.slice(2)
const required = createRequire(resolve(folder, 'package.json'))

/** @typedef {{ readonly input: string, readonly file: string, readonly isModule: boolean, readonly isBeside: boolean }} Wanted */

/** @type {Readonly<Record<string, (wanted: Wanted) => Promise<readonly string[]>>>} problems other than the missing package */
const BUNDLERS = {
  rollup: async ({ input, file, isModule, isBeside }) => {
    const [{ rollup }, { nodeResolve }, commonjs, json] = await Promise.all(
      ['rollup', '@rollup/plugin-node-resolve', '@rollup/plugin-commonjs', '@rollup/plugin-json'].map(load),
    )
    /** @type {string[]} */
    const problems = []
    const made = await rollup({
      input,
      preserveSymlinks: !isBeside,
      plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs.default(), json.default()],
      /** @param {{ code?: string, exporter?: string, message: string }} warning */
      onwarn: ({ code, exporter, message }) => {
        const isExpected = code === 'CIRCULAR_DEPENDENCY' || (!isBeside && exporter === 'ioredis')
        if (!isExpected) problems.push(message)
      },
    })
    await made.write({ file, format: isModule ? 'es' : 'cjs', inlineDynamicImports: true })
    await made.close()
    return problems
  },
  webpack: async ({ input, file, isModule, isBeside }) => {
    const { default: webpack } = await load('webpack')
    const output = isModule ? { module: true, chunkFormat: 'module', library: { type: 'module' } } : {}
    const stats = await new Promise((done, fail) => {
      const options = {
        mode: 'production',
        entry: input,
        target: 'node20',
        resolve: { symlinks: isBeside },
        experiments: { outputModule: isModule },
        output: { path: join(file, '..'), filename: file.split('/').at(-1), ...output },
      }
      webpack(options, (/** @type {unknown} */ error, /** @type {unknown} */ result) =>
        error ? fail(error) : done(result),
      )
    })
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true })
    const isExpected = (/** @type {string} */ message) => !isBeside && message.includes("Can't resolve 'ioredis'")
    /** @type {readonly string[]} */
    const messages = [...warnings, ...errors].map(wordsOf)
    return [...messages.filter((message) => !isExpected(message)), ...errors.map(wordsOf)]
  },
  // By its command, as its users run it. What it makes is what package.json says of the project.
  ncc: async ({ input, file, isModule, isBeside }) => {
    const project = dirname(input)
    writeFileSync(join(project, 'package.json'), JSON.stringify(isModule ? { type: 'module' } : {}))
    if (!isBeside) copyBuiltPackage(project)
    const source = join(project, 'main.js')
    writeFileSync(source, isModule ? PROGRAM : PROGRAM.replace(/import (.*) from (.*)/, 'const $1 = require($2)'))
    const command = join(dirname(required.resolve('@vercel/ncc/package.json')), 'dist/ncc/cli.js')
    const args = [command, 'build', source, '-q', '--no-cache', '-o', dirname(file)]
    execFileSync(process.execPath, args, { cwd: project })
    renameSync(join(dirname(file), 'index.js'), file)
    return []
  },
}

/** In place of the links, which lead to a folder that has ioredis. @param {string} project */
function copyBuiltPackage(project) {
  const linked = join(project, 'node_modules/fallback-cache/dist')
  rmSync(linked)
  cpSync(resolve('dist'), linked, { recursive: true })
}

const bundle = BUNDLERS[bundler]
if (bundle === undefined) throw new Error(`no such bundler: ${bundler}`)
for (const isModule of [true, false]) for (const isBeside of [true, false]) await check(isModule, isBeside)

/** @param {boolean} isModule @param {boolean} isBeside whether the bundler finds ioredis */
async function check(isModule, isBeside) {
  const project = realpathSync(mkdtempSync(join(tmpdir(), 'fallback-cache-bundle-')))
  try {
    linkBuiltPackage(project)
    const input = join(project, 'program.mjs')
    const file = join(project, 'out', isModule ? 'bundle.mjs' : 'bundle.cjs')
    writeFileSync(input, PROGRAM)
    const problems = await bundle?.({ input, file, isModule, isBeside })
    const kind = `${isModule ? 'ESM' : 'CommonJS'}, ${isBeside ? 'with' : 'without'} ioredis`
    if (problems === undefined || problems.length > 0) throw new Error(`${kind}: ${problems?.join('\n')}`)
    rmSync(join(project, 'node_modules'), { recursive: true })
    const said = JSON.parse(execFileSync(process.execPath, [file], { encoding: 'utf8', cwd: project, timeout: 20_000 }))
    const problem = said.thrown ?? said.problem
    const isMissing = /needs the package "ioredis"/.test(problem ?? 'needs the package "ioredis"')
    // In CommonJS, the constructor says at once that the package is missing.
    const isRight = said.thrown === undefined ? said.value === 'from memory' : isMissing
    if (!isRight || isMissing === isBeside) throw new Error(`${kind}: ${JSON.stringify(said)}`)
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

/** @param {{ readonly message: string }} problem */
function wordsOf({ message }) {
  return message
}

/** @param {string} name @returns {Promise<any>} */
function load(name) {
  return import(pathToFileURL(required.resolve(name)).href)
}
