import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'

const FOLDER = '.cache/programs'

/** Milliseconds after which a bundle is removed when another one is written. */
const KEPT = 24 * 60 * 60 * 1000

/** @type {Map<string, string>} */
const made = new Map()

/**
 * The path of a JavaScript file that Node.js runs in place of a TypeScript file. It starts with a fifth of the processor time that tsx
 * needs. In the whole bundle, `import.meta.url` is that of the TypeScript file. A `.cjs` file stays CommonJS.
 *
 * @param {string} entry - path from the root of the repository
 * @returns {string}
 */
export function bundled(entry) {
  const known = made.get(entry)
  if (known !== undefined) return known
  const { outputFiles } = buildSync({
    ...settings(entry),
    entryPoints: [entry],
    outfile: join(FOLDER, `program${extensionOf(entry)}`),
    write: false,
    format: extensionOf(entry) === '.cjs' ? 'cjs' : 'esm',
  })
  const path = save(entry, outputFiles[0]?.contents ?? new Uint8Array())
  made.set(entry, path)
  return path
}

/**
 * Prepares {@link bundled} for several programs that import the same code, which is bundled once for all of them. In all of them
 * `import.meta.url` is that of the first. Those that are CommonJS are left out.
 *
 * @param {readonly string[]} entries - paths from the root of the repository
 */
export function bundleTogether(entries) {
  const modules = entries.filter((entry) => extensionOf(entry) === '.mjs')
  const [first] = modules
  if (first === undefined) return
  mkdirSync(FOLDER, { recursive: true })
  const outdir = resolve(mkdtempSync(join(FOLDER, 'together-')))
  buildSync({
    ...settings(first),
    entryPoints: modules.map((entry, at) => ({ in: entry, out: String(at) })),
    outdir,
    outExtension: { '.js': '.mjs' },
    splitting: true,
    format: 'esm',
  })
  modules.forEach((entry, at) => void made.set(entry, join(outdir, `${at}.mjs`)))
}

/**
 * @param {string} entry
 * @returns {import('esbuild').BuildOptions}
 */
function settings(entry) {
  return {
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    keepNames: true,
    sourcemap: 'inline',
    sourcesContent: false,
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(resolve(entry)).href) },
    logLevel: 'warning',
  }
}

/**
 * @param {string} entry
 * @returns {'.cjs' | '.mjs'}
 */
function extensionOf(entry) {
  return entry.endsWith('.cjs') ? '.cjs' : '.mjs'
}

/**
 * Several processes may bundle the same file at the same time: a file appears only when it is complete.
 *
 * @param {string} entry
 * @param {Uint8Array} contents
 */
function save(entry, contents) {
  const hash = createHash('sha256').update(contents).digest('hex').slice(0, 16)
  const path = resolve(FOLDER, `${entry.replaceAll(/\W+/g, '-')}-${hash}${extensionOf(entry)}`)
  if (existsSync(path)) return path
  mkdirSync(FOLDER, { recursive: true })
  removeOld()
  const partial = `${path}.${process.pid}`
  writeFileSync(partial, contents)
  renameSync(partial, path)
  return path
}

function removeOld() {
  for (const file of readdirSync(FOLDER)) {
    const path = join(FOLDER, file)
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (age > KEPT) rmSync(path, { force: true, recursive: true })
  }
}
