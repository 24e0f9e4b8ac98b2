import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const readme = readFileSync('README.md', 'utf8')
const ci = readFileSync('.github/workflows/ci.yml', 'utf8')
const { dependencies, devDependencies, engines, license, exports } = JSON.parse(readFileSync('package.json', 'utf8'))
/** The line of facts under the first sentence. */
const facts = readme.split('\n').find((line) => line.includes(' · ')) ?? ''

describe('the facts at the top of the README', () => {
  it('are those of the package and of its workflows', () => {
    expect(facts).toContain('Node.js 20 to 26')
    expect(engines.node).toBe('>=20.19')
    expect(ci).toContain('node: [20, 22, 24, 26]')
    expect(facts).toContain('two dependencies')
    expect(Object.keys(dependencies).length).toBe(2)
    expect(facts).toContain(license)
    expect(facts).toContain('ESM and CommonJS, with types')
    for (const form of ['import', 'require']) {
      expect(Object.keys(exports['.'][form])).toEqual(['types', 'default'])
    }
    for (const framework of ['express4', 'express', 'koa2', 'koa']) expect(devDependencies).toHaveProperty(framework)
  })

  it('come before anything that takes more than a screen', () => {
    const lines = readme.split('\n')
    expect(lines.indexOf(facts)).toBeLessThan(10)
    expect(lines.findIndex((line) => line.startsWith('app.use(fallbackCache'))).toBeLessThan(30)
    expect(readme).not.toMatch(/img\.shields\.io|badge/)
  })
})
