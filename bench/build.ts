import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'
import { guardDirectory } from '../test/support/guard.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where the built programs lie as long as this process runs: beside node_modules, which they import from. */
export const built = `${root}.cache/bench/${process.pid}`

/** Builds what is measured, as it is published: no loader has a hand in the code that runs. */
export async function buildPrograms(): Promise<void> {
  guardDirectory(built)
  await buildWith(root, built)
}

/**
 * Builds the same programs with the library of another checkout.
 *
 * @throws Error if there is none in that folder
 */
export async function buildBefore(folder: string): Promise<void> {
  const other = `${resolve(folder)}/`
  if (!existsSync(`${other}src/index.ts`)) throw new Error(`--before: there is no src/index.ts in ${other}`)
  await buildWith(other, programsOf(true))
  const library = readdirSync(programsOf(true)).find((name) => name.startsWith('library-')) ?? ''
  const text = readFileSync(join(programsOf(true), library), 'utf8')
  if (!text.includes(`//#region ${relative(root, other)}/src/`))
    throw new Error(`--before: no file of ${other} was built`)
}

/** The folder of the programs with the library of this checkout, or of the other one. */
export function programsOf(isBefore: boolean): string {
  return isBefore ? `${built}/before` : built
}

async function buildWith(library: string, outDir: string): Promise<void> {
  await build({
    config: false,
    // Its paths say where `fallback-cache/express` and the others are.
    tsconfig: `${library}tsconfig.json`,
    cwd: root,
    entry: { candidate: 'bench/candidate.ts', load: 'bench/load/own-process.ts' },
    outDir,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    dts: false,
    deps: { skipNodeModulesBundle: true },
    clean: true,
    logLevel: 'error',
    // By the name of its file, a profile tells the library from the applications that use it.
    outputOptions: { codeSplitting: { groups: [{ name: 'library', test: /\/src\// }] } },
  })
}
