import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { BareProject } from './packed.js'

const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: false,
  // The declarations themselves are under test.
  skipLibCheck: false,
  noEmit: true,
  target: 'ES2022',
  lib: ['ES2023'],
  types: ['node'],
}

const SETTINGS = [
  { settings: 'NodeNext, ESM', type: 'module', options: { module: 'NodeNext' } },
  { settings: 'NodeNext, CommonJS', type: 'commonjs', options: { module: 'NodeNext', esModuleInterop: true } },
  { settings: 'a bundler', type: 'module', options: { module: 'ESNext', moduleResolution: 'bundler' } },
] as const

const PROJECTS = [
  {
    name: 'Express 5 and Koa 3',
    packages: ['@types/express', '@types/koa'],
    files: ['core.ts', 'express-app.ts', 'koa-app.ts'],
  },
  { name: 'Express 4', packages: ['@types/express@4'], files: ['core.ts', 'express-app.ts'] },
  { name: 'no framework', packages: [], files: ['core.ts'] },
] as const

describe.each(PROJECTS)('the types, with those of $name', ({ packages, files }) => {
  let project: BareProject

  beforeAll(async () => {
    project = await BareProject.create('types', {}, ['@types/node', 'typescript@5.9', ...packages])
  })
  afterAll(() => project?.remove())

  describe.each([
    { version: '5.9', compiler: 'node_modules/typescript/bin/tsc' },
    { version: 'of this repository', compiler: resolve('node_modules/typescript/bin/tsc') },
  ])('under TypeScript $version', ({ compiler }) => {
    it.each(SETTINGS)('hold for $settings', async ({ type, options }) => {
      write('package.json', { name: 'bare', private: true, type })
      write('tsconfig.json', { compilerOptions: { ...STRICT, ...options }, files })
      await project.run(process.execPath, [compiler, '-p', '.'])
    })
  })

  function write(file: string, value: object): void {
    writeFileSync(join(project.folder, file), JSON.stringify(value))
  }
})
