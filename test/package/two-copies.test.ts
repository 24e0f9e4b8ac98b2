import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BareProject } from './packed.js'

const TOGETHER = {
  areTwo: true,
  isInstance: true,
  joined: ['run 1 fwd=uri-miss', 'run 1 hit'],
  tagged: 'run 2 fwd=uri-miss',
  own: ['run 3 fwd=uri-miss', 'run 3 hit'],
  posted: 'run 4 fwd=uri-miss',
  invalidated: 'run 5 fwd=uri-miss',
  // Made from the address of the client, as its own copy of the getters notes too.
  address: ['run 6 fwd=uri-miss', 'run 7 fwd=uri-miss'],
  // The client's request, and the one that makes the page again.
  marks: [
    [false, false],
    [true, true],
  ],
  koa: ['run 2 hit', 'run 10 fwd=uri-miss', 'run 10 hit'],
  back: ['run 2 hit', 'run 2 hit'],
  circular: ['circular-wait', true, true],
}

describe('two copies of the package in one process', () => {
  let project: BareProject
  beforeAll(async () => {
    project = await BareProject.create('two-copies.cjs', {}, ['express', 'koa'])
    const library = join(project.folder, 'node_modules', 'library')
    mkdirSync(library, { recursive: true })
    writeFileSync(join(library, 'package.json'), JSON.stringify({ name: 'library', version: '1.0.0' }))
    await copyOfItself(project, library)
  })
  afterAll(() => project?.remove())

  it('act as one: the CommonJS build beside the ESM build, and beside a second installation', async () => {
    const results = JSON.parse(await project.run(process.execPath, ['two-copies.cjs']))
    expect(results).toEqual({ esm: TOGETHER, installed: TOGETHER })
  })
})

/** Gives a library an installation of the package of its own, as npm does where versions differ. */
async function copyOfItself(project: BareProject, library: string): Promise<void> {
  mkdirSync(join(library, 'node_modules'))
  await project.run('cp', ['-r', 'node_modules/fallback-cache', join(library, 'node_modules', 'copy')])
  renameSync(join(library, 'node_modules', 'copy'), join(library, 'node_modules', 'fallback-cache'))
}
