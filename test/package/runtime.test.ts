import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NODE_VERSIONS, provideNode } from '../../scripts/node-versions.mjs'
import { BareProject } from './packed.js'

const KINDS = [
  { kind: 'ESM', file: 'esm.mjs', manifest: { type: 'module' } },
  { kind: 'CommonJS', file: 'commonjs.cjs', manifest: {} },
] as const

describe.each(KINDS)('in a bare $kind project', ({ file, manifest }) => {
  let project: BareProject

  beforeAll(async () => {
    project = await BareProject.create(file, manifest, ['express', 'koa'])
  })
  afterAll(() => project?.remove())

  describe.each(NODE_VERSIONS)('on Node.js %s', (major) => {
    const node = provideNode(major)

    it.skipIf(node === undefined)('answers from memory, in Express and in Koa', async () => {
      const printed = JSON.parse(await project.run(node ?? '', [file]))
      expect(printed).toEqual({
        express: [
          { body: { runs: 1 }, cacheStatus: expect.stringMatching(/fwd=uri-miss.*stored/) },
          { body: { runs: 1 }, cacheStatus: expect.stringMatching(/; hit/) },
        ],
        koa: [
          { body: { runs: 2 }, cacheStatus: expect.stringMatching(/fwd=uri-miss.*stored/) },
          { body: { runs: 2 }, cacheStatus: expect.stringMatching(/; hit/) },
        ],
        isSameClass: true,
        key: expect.stringMatching(/^report:[0-9a-f]{12}$/),
      })
    })
  })
})
