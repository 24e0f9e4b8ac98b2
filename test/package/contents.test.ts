import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packedOnce } from './packed.js'

describe('the tarball', () => {
  const { tarball, files } = packedOnce()

  it('carries the compiled library, the texts and the examples that they name, and nothing else', () => {
    const texts = /^([A-Z]+\.md|LICENSE|package\.json|docs\/(\w|-)+\.md|examples\/.+\.(ts|json|yml))$/
    const built =
      /^dist\/(.+\.(d\.)?[cm][jt]s|dashboard\/page\/(icon\.svg|index\.html|page\.css|(?:entries|format|page|shadow)\.js))$/
    const unexpected = files.filter(({ path }) => !built.test(path) && !texts.test(path))
    expect(unexpected).toEqual([])
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'dist/dashboard/page/page.js']),
    )
  })

  it('has what its texts link to', () => {
    const paths = files.map(({ path }) => path)
    // npm shows README.md with links into the repository, where its tests are.
    // What is for those who change the code, or want to know how it works and was measured, is in the repository only.
    const isInRepository = (target: string) =>
      /^(test\/|examples\/(nestjs(\/main\.ts)?|reverse-proxy\.ts)$|docs\/(decisions\/)?[\w-]+\.md$|(CHANGELOG|CONTRIBUTING)\.md$)/.test(
        target,
      ) && existsSync(target)
    const isThere = (target: string) =>
      isInRepository(target) || paths.some((path) => path === target || path.startsWith(`${target}/`))
    const dead = paths
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) => linksOf(path).map((target) => join(dirname(path), target)))
      .filter((target) => !isThere(target))
    expect(dead).toEqual([])
  })

  it('has the pages by which an application is set up, invalidated and operated', () => {
    const pages = files.flatMap(({ path }) => /^docs\/(.+)\.md$/.exec(path)?.[1] ?? [])
    expect(pages.sort().join(' ')).toBe(
      'cli dashboard errors explain inputs invalidation middleware monitoring options reasons redis runbook',
    )
  })

  it('has each file that its exports name', () => {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: object }
    const named = JSON.stringify(exports).match(/(?<="\.\/)[^"]+\.[a-z]+(?="[,}])/g) ?? []
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(named))
    expect(named.length).toBeGreaterThan(12)
  })

  it('has code in ASCII, of which V8 keeps one byte for each character', () => {
    const code = files.map(({ path }) => path).filter((path) => /^dist\/(?!cli\/|dashboard\/).+\.[cm]js$/.test(path))
    expect(code.length).toBeGreaterThan(30)
    expect(code.filter((path) => /[^\0-\x7f]/.test(readFileSync(path, 'utf8')))).toEqual([])
  })

  it('is smaller than 720 kB', () => {
    expect(statSync(tarball).size).toBeLessThan(720_000)
  })

  it('runs nothing when it is installed', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare)$|^dependencies$/.test(name))).toEqual(
      [],
    )
  })

  it('needs no package of a framework or of a Redis client', () => {
    const { dependencies, peerDependenciesMeta } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>
      peerDependenciesMeta: Record<string, { optional: boolean }>
    }
    expect(Object.keys(dependencies)).not.toEqual(expect.arrayContaining(['express', 'koa', 'ioredis', 'redis']))
    expect(Object.values(peerDependenciesMeta).every(({ optional }) => optional)).toBe(true)
  })

  it('imports no types of a Redis client', () => {
    const declarations = files
      .filter(({ path }) => /\.d\.[cm]ts$/.test(path))
      .map(({ path }) => readFileSync(path, 'utf8'))
    expect(declarations.length).toBeGreaterThan(0)
    for (const text of declarations)
      expect(text).not.toMatch(/(from|import\()\s*["'](ioredis|iovalkey|redis|@redis\/.*)["']/)
  })
})

/** The relative links of a text, without what follows a #. The picture of the demo is left to the repository: it is a third of the tarball. */
function linksOf(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(/(?<!!\[[^\]]*)\]\((?!https?:|#)([^)#]+)/g)].map(
    ([, target = '']) => target,
  )
}
