import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'
import { guardDirectory } from '../test/support/guard.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where the built programs lie as long as this process runs: beside node_modules, which they import from. */
export const built = `${root}.cache/bench/${process.pid}`

/** Builds what is measured, as it is published: no loader has a hand in the code that runs. */
export async function buildPrograms(): Promise<void> {
  guardDirectory(built)
  await build({
    config: false,
    cwd: root,
    entry: { candidate: 'bench/candidate.ts', load: 'bench/load/own-process.ts' },
    outDir: built,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    dts: false,
    deps: { skipNodeModulesBundle: true },
    clean: true,
    logLevel: 'error',
    // By the name of its file, a profile tells the library from the applications that use it.
    outputOptions: { codeSplitting: { groups: [{ name: 'library', test: /\/src\// }] } },
    alias: {
      'fallback-cache/express': `${root}src/middleware/express.ts`,
      'fallback-cache/koa': `${root}src/middleware/koa.ts`,
      'fallback-cache': `${root}src/index.ts`,
    },
  })
}
