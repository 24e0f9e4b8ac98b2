import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NODE_VERSIONS, provideNode } from '../../scripts/node-versions.mjs'
import { BareProject } from './packed.js'

const KINDS = [
  { kind: 'ESM', file: 'esm.mjs', manifest: { type: 'module' } },
  { kind: 'CommonJS', file: 'commonjs.cjs', manifest: {} },
] as const

const ANSWERED = {
  express: [
    { body: { runs: 1 }, cacheStatus: expect.stringMatching(/fwd=uri-miss.*stored/) },
    { body: { runs: 1 }, cacheStatus: expect.stringMatching(/; hit/) },
  ],
  koa: [
    { body: { runs: 2 }, cacheStatus: expect.stringMatching(/fwd=uri-miss.*stored/) },
    { body: { runs: 2 }, cacheStatus: expect.stringMatching(/; hit/) },
  ],
  isSameClass: true,
  metrics: ['fallback_cache_requests_total'],
  key: expect.stringMatching(/^report:[0-9a-f]{12}$/),
}

const NODES = await Promise.all(NODE_VERSIONS.map(async (major) => ({ major, node: await provideNode(major) })))

describe.each(KINDS)('in a bare $kind project', ({ file, manifest }) => {
  let project: BareProject

  beforeAll(async () => {
    project = await BareProject.create(file, manifest, ['express', 'koa'])
  })
  afterAll(() => project?.remove())

  describe.each(NODES)('on Node.js $major', ({ node }) => {
    it.skipIf(node === undefined)('answers from memory, in Express and in Koa', async () => {
      expect(JSON.parse(await project.run(node ?? '', [file]))).toEqual(ANSWERED)
    })
  })

  it('brings a command line', async () => {
    const run = (...args: string[]) => project.run(process.execPath, ['node_modules/.bin/fallback-cache', ...args])
    expect(await run('--help')).toContain('fallback-cache <command> --help says more')
    expect(await run('--version')).toMatch(/^\d+\.\d+\.\d+/)
    await expect(run('verify')).rejects.toThrow('name the base URL of each process')
  })

  describe('with the URL of a Redis', () => {
    const env = { REDIS_URL: 'redis://127.0.0.1:1' }

    it('says that ioredis is missing', async () => {
      await expect(project.run(process.execPath, [file], env)).rejects.toThrow('npm install ioredis')
      const keys = project.run(process.execPath, ['node_modules/.bin/fallback-cache', 'keys'], env)
      await expect(keys).rejects.toThrow('npx -p fallback-cache -p ioredis')
    })

    it('finds ioredis, and answers though that Redis does not run', async () => {
      await project.install(['ioredis'])
      expect(JSON.parse(await project.run(process.execPath, [file], env))).toEqual(ANSWERED)
    })
  })
})
