import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

// npm run size: what an entry point loads, minified and gzipped, by folder and by file, and what it loads only on demand.
// npm run size -- koa: the same for fallback-cache/koa.
// npm run size -- start: how long fallback-cache/express loads, in relation to Express. Needs npm run build.

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ENTRIES = {
  express: 'middleware/express',
  fastify: 'adapters/fastify',
  hono: 'adapters/hono',
  koa: 'middleware/koa',
  nestjs: 'adapters/nestjs',
}
const PAIRS = 20

/**
 * What a module of this repository loads when it is imported, dependencies included, and what it loads on demand.
 *
 * @param {string} path from the root of the repository, such as `dist/middleware/express.mjs`
 */
export async function weigh(path) {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(ROOT, path)],
    absWorkingDir: ROOT,
    outdir: 'out',
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    external: ['ioredis'],
    tsconfigRaw: {},
    logLevel: 'silent',
  })
  const texts = new Map(outputFiles.map(({ path: file, contents }) => [relative(ROOT, file), Buffer.from(contents)]))
  const loaded = new Set([`out/${basename(path).replace(/\.\w+$/, '.js')}`])
  for (const file of loaded)
    for (const { path: other, kind } of metafile.outputs[file]?.imports ?? [])
      if (kind === 'import-statement' && texts.has(other)) loaded.add(other)
  const onDemand = [...texts.keys()].filter((file) => !loaded.has(file))
  return { always: part([...loaded]), onDemand: onDemand.map((file) => part([file])) }

  /** @param {string[]} names */
  function part(names) {
    const text = Buffer.concat(names.map((name) => texts.get(name) ?? Buffer.alloc(0)))
    /** @type {Map<string, number>} */
    const files = new Map()
    for (const name of names)
      for (const [file, { bytesInOutput }] of Object.entries(metafile.outputs[name]?.inputs ?? {}))
        files.set(named(file), (files.get(named(file)) ?? 0) + bytesInOutput)
    return { minified: text.length, gzipped: gzipSync(text).length, files }
  }
}

/** The path of a source, or the name of a dependency. @param {string} file */
function named(file) {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file
}

/** @param {Awaited<ReturnType<typeof weigh>>['always']} part */
function print({ minified, gzipped, files }) {
  const share = gzipped / minified
  /** @param {number} bytes @param {string} name */
  const row = (bytes, name) => console.log(kb(bytes), kb(bytes * share), ` ${name}`)
  /** @type {Map<string, number>} */
  const folders = new Map()
  for (const [file, bytes] of files) folders.set(dirname(file), (folders.get(dirname(file)) ?? 0) + bytes)
  for (const [folder, bytes] of sorted(folders)) {
    row(bytes, folder === '.' ? 'dependencies' : folder)
    for (const [file, own] of sorted(files)) if (dirname(file) === folder) row(own, `    ${basename(file)}`)
  }
}

/** @param {Map<string, number>} sizes */
function sorted(sizes) {
  return [...sizes].sort(([, one], [, other]) => other - one)
}

/** @param {number} bytes */
function kb(bytes) {
  return (bytes / 1000).toFixed(1).padStart(8)
}

/** Milliseconds of processor time that a fresh process takes to load a module. @param {'require' | 'import'} kind @param {string} name */
function loadTime(kind, name) {
  const [load, type] = kind === 'require' ? [`require('${name}')`, 'commonjs'] : [`await import('${name}')`, 'module']
  const code = `const start = process.cpuUsage(); ${load}; const { user, system } = process.cpuUsage(start); console.log((user + system) / 1000)`
  const run = [`--input-type=${type}`, '--eval', code]
  return Number(execFileSync(process.execPath, run, { cwd: ROOT, encoding: 'utf8' }))
}

/** @param {readonly number[]} values */
function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** Loads both in turn, so that what else the machine does slows both. @param {'require' | 'import'} kind @param {string} own */
function compareLoading(kind, own) {
  const pairs = Array.from({ length: PAIRS }, () => ({ theirs: loadTime(kind, 'express'), ours: loadTime(kind, own) }))
  const theirs = median(pairs.map((pair) => pair.theirs)).toFixed(1)
  const ours = median(pairs.map((pair) => pair.ours)).toFixed(1)
  const ratio = median(pairs.map((pair) => pair.ours / pair.theirs)).toFixed(2)
  console.log(`${kind.padEnd(8)} express ${theirs} ms, fallback-cache/express ${ours} ms, ratio ${ratio}`)
}

async function main([asked = 'express'] = process.argv.slice(2)) {
  if (asked === 'start') {
    if (!existsSync(join(ROOT, 'dist/index.mjs'))) throw new Error('There is no dist/: run npm run build first')
    compareLoading('require', './dist/middleware/express.cjs')
    compareLoading('import', './dist/middleware/express.mjs')
    return
  }
  const entry = ENTRIES[/** @type {keyof typeof ENTRIES} */ (asked)]
  if (entry === undefined) throw new Error(`npm run size -- ${[...Object.keys(ENTRIES), 'start'].join(' | ')}`)
  const { always, onDemand } = await weigh(`src/${entry}.ts`)
  console.log('minified  gzipped, in kB; a share of the gzipped size is calculated from the minified one')
  console.log(kb(always.minified), kb(always.gzipped), ` loaded by every user of fallback-cache/${asked}`)
  print(always)
  for (const part of onDemand.sort((one, other) => other.minified - one.minified)) {
    console.log(`\n${kb(part.minified)}`, kb(part.gzipped), ' loaded on demand')
    print(part)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
