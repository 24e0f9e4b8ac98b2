import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applicationName } from '../../../src/core/coherence/application.js'

const files = {
  'shop/package.json': '{"name":"shop"}',
  'shop/dist/package.json': '{"type":"module"}',
  'shop/node_modules/runner/package.json': '{"name":"runner"}',
  'shop/node_modules/@scope/tool/package.json': '{"name":"@scope/tool"}',
  'broken/package.json': '{"name":',
  'numbered/package.json': '{"name":7}',
  'lib/node_modules/manager/package.json': '{"name":"manager"}',
  'long/package.json': JSON.stringify({ name: 'a'.repeat(10_000) }),
}

let root = ''
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'application-'))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
})
afterAll(() => rmSync(root, { recursive: true }))

describe('the name of an application', () => {
  it.each([
    ['its main script', 'shop/server.js', 'lib', 'shop'],
    ['a script that its build wrote', 'shop/dist/deep/server.js', 'lib', 'shop'],
    ['a folder that node was given', 'shop', 'lib', 'shop'],
    ['a runner among its dependencies', 'shop/node_modules/runner/cli.js', 'lib', 'shop'],
    ['a scoped runner', 'shop/node_modules/@scope/tool/bin/cli.mjs', 'lib', 'shop'],
    ['a link among the dependencies', 'shop/node_modules/.bin/runner', 'lib', 'shop'],
    ['a process manager that is installed elsewhere', 'lib/node_modules/manager/fork.js', 'shop', 'shop'],
    ['the folder, without a script', undefined, 'shop', 'shop'],
    ['a folder below, without a script', undefined, 'shop/dist/deep', 'shop'],
    ['a file that is no JSON', 'broken/server.js', 'shop', 'shop'],
    ['a name that is no text', 'numbered/server.js', 'shop', 'shop'],
    ['nothing', 'lib/server.js', 'lib', undefined],
    ['a name longer than any', 'long/server.js', 'lib', 'a'.repeat(100)],
  ])('is found from %s', (_what, main, folder, expected) => {
    expect(applicationName(main === undefined ? '' : join(root, main), join(root, folder))).toBe(expected)
  })

  it('is unknown in a folder that is gone', () => {
    expect(applicationName('', join(root, 'gone', 'deeper'))).toBe(undefined)
  })

  it('is found for this very process', () => {
    expect(applicationName()).toBe('fallback-cache')
  })
})
