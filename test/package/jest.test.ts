import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BareProject } from './packed.js'

// Jest cannot require an ES module on the Node.js versions that most projects run it on.
describe('in a bare Jest project', () => {
  let project: BareProject

  beforeAll(async () => {
    project = await BareProject.create('cached.test.js', {}, ['express', 'koa', 'jest@30'])
  })
  afterAll(() => project?.remove())

  it('can be required, and caches', async () => {
    const output = await project.run(process.execPath, ['node_modules/jest/bin/jest.js', '--ci', '--json'])
    expect(JSON.parse(output)).toMatchObject({ numPassedTests: 2, numFailedTests: 0 })
  })
})
