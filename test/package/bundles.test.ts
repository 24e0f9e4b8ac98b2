import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build, type Format } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkBuiltPackage } from '../../scripts/built-package.mjs'
import { weigh } from '../../scripts/size.mjs'
import { RedisServer } from '../support/redis-server.js'

const execute = promisify(execFile)

// Takes dist/ as it is; `npm run build` comes first.
const PROGRAM = `
async function main() {
const cache = new FallbackCache()
await cache.set('k', 'from memory')
const said = { memory: await cache.get('k') }
const url = process.env.REDIS_URL
try {
  const shared = new FallbackCache({ redis: url, redisTimeout: '5s' })
  said.durable = (await shared.invalidatePrefix('k')).durable
  said.problem = shared.stats().redisError
  await shared.close()
} catch (error) {
  said.thrown = error.message
}
console.log(JSON.stringify(said))
}
main()
`
const HEAD = {
  ESM: `import { FallbackCache } from 'fallback-cache'\n${PROGRAM}`,
  CommonJS: `const { FallbackCache } = require('fallback-cache')\n${PROGRAM}`,
}

const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)`

const KINDS = [
  { from: 'ESM', format: 'esm', file: 'bundle.mjs' },
  { from: 'ESM', format: 'cjs', file: 'bundle.cjs' },
  { from: 'CommonJS', format: 'cjs', file: 'bundle.cjs' },
] as const

describe.each(KINDS)('a bundle of $from, as $format', ({ from, format, file }) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'fallback-cache-bundle-')))
  const run = async (name: string, url: string) => {
    const env = { ...process.env, REDIS_URL: url }
    const { stdout, stderr } = await execute(process.execPath, [join(folder, name)], { cwd: folder, env })
    return { ...(JSON.parse(stdout) as object), stderr }
  }

  beforeAll(() => linkBuiltPackage(folder))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is made without ioredis, runs in memory, and names the remedy for a Redis URL', async () => {
    await bundle(from, format, { folder, file, isBeside: false })
    rmSync(join(folder, 'node_modules'), { recursive: true })
    const said = await run(file, 'redis://127.0.0.1:1')
    const remedy = expect.stringMatching(
      /a redis URL needs the package "ioredis": npm install ioredis \(before a bundle/,
    )
    expect(said).toMatchObject({ memory: 'from memory' })
    // Only require tells at once; an import tells when it fails, and then memory answers alone.
    if (from === 'CommonJS') expect(said).toMatchObject({ thrown: remedy })
    else expect(said).toMatchObject({ durable: false, problem: remedy, stderr: remedy })
  })

  it('throws for a wrong Redis URL', async () => {
    const said = await run(file, 'redis://host:port')
    expect(said).toMatchObject({ thrown: expect.stringContaining('redis must be a URL such as') })
  })

  it('that contains ioredis uses the Redis of a URL', async () => {
    const server = await RedisServer.start()
    try {
      await bundle(from, format, { folder, file: `with-${file}`, isBeside: true })
      expect(await run(`with-${file}`, server.url)).toEqual({ memory: 'from memory', durable: true, stderr: '' })
    } finally {
      await server.stop()
    }
  })
})

/** @param isBeside whether the bundler finds the packages of this repository, or only those of the project */
async function bundle(
  from: keyof typeof HEAD,
  format: Format,
  { folder, file, isBeside }: { folder: string; file: string; isBeside: boolean },
): Promise<void> {
  const { warnings } = await build({
    stdin: { contents: HEAD[from], resolveDir: isBeside ? process.cwd() : folder, loader: 'js' },
    outfile: join(folder, file),
    bundle: true,
    platform: 'node',
    format,
    preserveSymlinks: !isBeside,
    // For ioredis, as for Express: esbuild leaves their require() of modules of Node.js as it is.
    banner: format === 'esm' ? { js: REQUIRE } : {},
    // That of this repository leads to src/.
    tsconfigRaw: {},
    logLevel: 'silent',
  })
  const problems = warnings.filter(({ text }) => !/import\.meta/.test(text)).map(({ text }) => text)
  expect(problems).toEqual([])
}

describe.each(['cjs', 'mjs'])('an installation without the code for Redis, in %s', (kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-incomplete-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('answers from memory, and says why', async () => {
    cpSync('dist', join(folder, 'dist'), { recursive: true })
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
    for (const file of readdirSync(join(folder, 'dist'))) {
      if (file.startsWith('shared-store-')) rmSync(join(folder, 'dist', file))
    }
    const head = kind === 'cjs' ? "const { FallbackCache } = require('./dist/index.cjs')" : ESM_HEAD
    writeFileSync(join(folder, `program.${kind}`), head + PROGRAM)
    const env = { ...process.env, REDIS_URL: 'redis://127.0.0.1:1' }
    const { stdout, stderr } = await execute(process.execPath, [join(folder, `program.${kind}`)], { env })
    const problem = expect.stringMatching(/cannot find module.*shared-store/i)
    expect(JSON.parse(stdout)).toEqual({ memory: 'from memory', durable: false, problem })
    expect(stderr).toMatch(/memory answers alone: the code for Redis cannot be loaded \(cannot find module/i)
  })
})

const ESM_HEAD = "import { FallbackCache } from './dist/index.mjs'"

describe('what every user of an entry loads', () => {
  // Minified and gzipped, dependencies included; what is loaded on demand is not. Raise a figure only with a reason.
  it.each([
    ['express', 113],
    ['koa', 115],
  ])('fallback-cache/%s is at most %i kB', async (name, limit) => {
    const { always } = await weigh(`dist/middleware/${name}.mjs`)
    expect(Math.ceil(always.gzipped / 1000)).toBeLessThanOrEqual(limit)
  })

  it('contains neither TLS nor compression of Node.js', async () => {
    const program =
      "require('./dist/middleware/express.cjs'); require('./dist/middleware/koa.cjs'); console.log(process.moduleLoadList.join())"
    const { stdout } = await execute(process.execPath, ['--eval', program])
    expect(stdout).toContain('NativeModule http,')
    expect(stdout).not.toMatch(/NativeModule (tls|zlib),/)
  })
})
