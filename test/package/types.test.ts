import { copyFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { BareProject } from './packed.js'

const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  esModuleInterop: true,
  // The declarations themselves are under test.
  skipLibCheck: false,
  noEmit: true,
  target: 'ES2022',
  lib: ['ES2023'],
  types: ['node'],
}

const COMPILERS = {
  'TypeScript 5.0': 'node_modules/typescript-5.0/bin/tsc',
  'TypeScript 5.9': 'node_modules/typescript/bin/tsc',
  'TypeScript 7': resolve('node_modules/typescript-7/bin/tsc'),
} as const

/** `ALL_COMPILERS=1`: each project with each compiler, the oldest one included. */
const ALL =
  process.env.ALL_COMPILERS === '1' ? (['TypeScript 5.0', 'TypeScript 5.9', 'TypeScript 7'] as const) : undefined
/** The slow one compiles only the project with most declarations. */
const BOTH = ALL ?? (['TypeScript 5.9', 'TypeScript 7'] as const)
const ONE = ALL ?? (['TypeScript 7'] as const)
const OLDEST = ALL === undefined ? [] : ['typescript-5.0@npm:typescript@5.0']

const PROJECTS = [
  {
    types: 'Express 5 and Koa 3',
    packages: ['@types/express', '@types/koa'],
    sources: ['core', 'express-app', 'koa-app'],
    compilers: BOTH,
  },
  {
    types: 'Express 4',
    packages: ['@types/express@4'],
    sources: ['core', 'express-app'],
    compilers: ONE,
  },
  { types: 'no framework', packages: [], sources: ['core'], compilers: ONE },
] as const

describe.each(PROJECTS)('the declarations, beside the types of $types', ({ packages, sources, compilers }) => {
  let project: BareProject

  beforeAll(async () => {
    project = await BareProject.create('types', {}, ['@types/node', 'typescript@5.9', ...OLDEST, ...packages])
    for (const source of sources) {
      for (const extension of ['mts', 'cts'])
        copyFileSync(inProject(`${source}.ts`), inProject(`${source}.${extension}`))
    }
  })
  afterAll(() => project?.remove())

  describe.each(compilers)('and %s', (compiler) => {
    it('hold in ES modules and in CommonJS (NodeNext)', async () => {
      const files = sources.flatMap((source) => [`${source}.mts`, `${source}.cts`])
      await compile(compiler, { module: 'NodeNext' }, files)
    })

    // With the slow compiler one way of finding the declarations is enough: they are the same files.
    it.runIf(compiler === 'TypeScript 7' || ALL !== undefined)('hold for a bundler', async () => {
      const files = sources.map((source) => `${source}.ts`)
      await compile(compiler, { module: 'ESNext', moduleResolution: 'bundler' }, files)
    })
  })

  // The default of `module: commonjs` up to TypeScript 5.9, which TypeScript 7 does not have.
  it.runIf(ALL !== undefined)('hold in CommonJS without moduleResolution (TypeScript 5.9)', async () => {
    const files = sources.map((source) => `${source}.cts`)
    await compile('TypeScript 5.9', { module: 'commonjs' }, files)
  })

  async function compile(compiler: keyof typeof COMPILERS, options: object, files: readonly string[]): Promise<void> {
    writeFileSync(inProject('tsconfig.json'), JSON.stringify({ compilerOptions: { ...STRICT, ...options }, files }))
    await project.run(process.execPath, [COMPILERS[compiler], '-p', '.'])
  }

  function inProject(file: string): string {
    return join(project.folder, file)
  }
})
