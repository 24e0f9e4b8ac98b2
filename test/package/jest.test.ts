import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BareProject } from './packed.js'

// Jest cannot require an ES module on the Node.js versions that most projects run it on.
describe('in a bare Jest project', () => {
  let project: BareProject

  beforeAll(async () => {
    project = await BareProject.create('cached.test.js', {}, ['express', 'koa', 'jest@30'])
  })
  afterAll(() => project?.remove())

  it('can be required, caches, and leaves no handle open', async () => {
    const jest = ['node_modules/jest/bin/jest.js', '--ci', '--json', '--detectOpenHandles']
    const { openHandles, ...result } = JSON.parse(await project.run(process.execPath, jest)) as {
      readonly openHandles: readonly { readonly message: string }[]
    }
    expect(result).toMatchObject({ numPassedTests: 2, numFailedTests: 0 })
    expect(openHandles.map(({ message }) => message).filter((message) => message.includes('FallbackCache'))).toEqual([])
  })
})
