import { describe, expect, it } from 'vitest'
import { namedPaths, optionsAmong } from '../../../src/http/store/named-paths.js'

const template = (strings: TemplateStringsArray, ...values: unknown[]) => namedPaths([strings, ...values])

describe('namedPaths', () => {
  it.each([
    ['/a', ['/a']],
    ['/a/', ['/a']],
    ['/', ['']],
    ['/caf\u00e9', ['/caf%C3%A9']],
    ['/caf%c3%a9', ['/caf%C3%A9']],
    ['/50%', ['/50%25']],
    ['/50%25', ['/50%25']],
    ['/rgb%41', ['/rgbA']],
    ['/a%2Fb', ['/a/b']],
    ['/a b', ['/a%20b']],
    ['/what?', ['/what', '/what%3F']],
    ['/c#', ['/c', '/c%23']],
    ['/c#?page=2', ['/c', '/c%23', '/c%23%3Fpage=2']],
    ['/a:b', ['/a:b']],
    ['/a*b', ['/a*b']],
    ['/{3F2504E0-4F89}', ['/%7B3F2504E0-4F89%7D']],
    ['/a{id}', ['/a%7Bid%7D']],
    ['/%7Bid%7D', ['/%7Bid%7D']],
    ['/[0]', ['/%5B0%5D']],
    ['/<b>b</b>', ['/%3Cb%3Eb%3C/b%3E']],
  ])('reads %j as %j', (path, paths) => {
    expect(namedPaths([path])?.toSorted()).toEqual([...paths].sort())
  })

  it('shows the beginning of a long path in an error', () => {
    const refused = () => namedPaths([`/${'a'.repeat(10_000)}/*`])
    expect(refused).toThrow(/^invalidate\("\/a{198}\u2026\) looks like a pattern/)
    expect(refused).toThrow(expect.objectContaining({ message: expect.stringMatching(/^.{1,1000}$/) }))
  })

  it('says which segments to write instead of a pattern', () => {
    expect(() => namedPaths(['/p/:id'])).toThrow('write invalidate(["p",":id"])')
  })

  it('shows 200 characters of a path and cuts the 201st off', () => {
    const shown = (length: number) => {
      const path = `/*${'a'.repeat(length - 4)}`
      expect(() => namedPaths([path, path])).toThrow()
      return () => namedPaths([path])
    }
    expect(shown(200)).toThrow(`invalidate("/*${'a'.repeat(196)}") looks`)
    expect(shown(201)).toThrow(`invalidate("/*${'a'.repeat(197)}\u2026) looks`)
  })

  it('reads a query or a fragment at the very beginning as what it is', () => {
    expect(() => namedPaths(['?a'])).toThrow('path must start with "/", got "?a"')
    expect(template`/${'a'}?b#c`).toEqual(['/a'])
  })

  it('names nothing without arguments', () => {
    expect(namedPaths([])).toBeUndefined()
  })

  it('takes the values of a template and segments for what they are', () => {
    for (const [id, path] of [
      ['a/b', '/p/a/b'],
      ['50%', '/p/50%25'],
      ['q?', '/p/q%3F'],
      ['#', '/p/%23'],
      ['\u00fc', '/p/%C3%BC'],
      [' ', '/p/%20'],
      [':id', '/p/:id'],
      ['{id}', '/p/%7Bid%7D'],
      ['*', '/p/*'],
      [7, '/p/7'],
      [7n, '/p/7'],
      [true, '/p/true'],
    ] as const) {
      expect(template`/p/${id}`).toEqual([path])
      expect(template`/p/${id}/reviews?page=2`).toEqual([`${path}/reviews`])
      expect(namedPaths([['p', id]])).toEqual([path])
    }
    expect(namedPaths([['/p', 'a']])).toEqual(['//p/a', '/p/a'])
  })

  it('takes a list of which each item begins with a slash for segments and for several paths', () => {
    expect(namedPaths([['/p/1', '/q/']])).toEqual(['//p/1//q', '/p/1//q', '/p/1', '/q'])
    expect(namedPaths([['/p']])).toEqual(['//p', '/p'])
    expect(namedPaths([['/p', '/q', 7]])).toEqual(['//p//q/7', '/p//q/7'])
  })

  it.each([
    ['undefined', [undefined], /invalidate\(undefined\)/],
    ['null', [null], /invalidate\(null\)/],
    ['a number', [1], /invalidate\(1\)/],
    ['no slash', ['a'], /must start with "\/"/],
    ['a parameter', ['/products/:id'], /looks like a pattern.*invalidate`\/products\/\$\{id\}`/],
    ['a star', ['/products/*'], /pattern/],
    ['a star behind a name', ['/products*'], /pattern/],
    ['two stars', ['/**'], /pattern/],
    ['a named star', ['/*rest'], /pattern/],
    ['a star before an extension', ['/styles/*.css'], /pattern/],
    ['a star in brackets', ['/products/(.*)'], /pattern/],
    ['a parameter of OpenAPI', ['/products/{id}'], /looks like a pattern/],
    ['a parameter of Next.js', ['/products/[id]/reviews'], /looks like a pattern/],
    ['all segments of Next.js', ['/docs/[...slug]'], /looks like a pattern/],
    ['a parameter of Flask', ['/products/<int:id>'], /looks like a pattern/],
    ['no segments', [[]], /names no path/],
    ['an undefined segment', [['products', undefined]], /segment 2 of the path is undefined/],
    ['an empty segment', [['products', '']], /segment 2 of the path is empty/],
    ['an object', [['products', {}]], /segment 2/],
    ['NaN', [['products', Number.NaN]], /NaN/],
    ['two paths', ['/a', '/b'], /one path/],
  ])('refuses %s, and says what to write', (_, args, message) => {
    expect(() => namedPaths(args)).toThrow(message)
  })

  it('refuses an undefined or empty value of a template, and a pattern in it', () => {
    expect(() => template`/products/${undefined}`).toThrow('value 1 of the path is undefined')
    expect(() => template`/products/${''}`).toThrow('value 1 of the path is empty')
    expect(() => template`/products/:id/${1}`).toThrow('pattern')
  })
})

describe('optionsAmong', () => {
  const options = { soft: true }

  it('takes the options behind a path or segments', () => {
    expect(optionsAmong(['/a', options])).toEqual({ named: ['/a'], options })
    expect(optionsAmong([['a'], options])).toEqual({ named: [['a']], options })
    expect(optionsAmong(['/a', {}])).toEqual({ named: ['/a'], options: {} })
    expect(optionsAmong(['/a', { sofd: true }])).toEqual({ named: ['/a'], options: { sofd: true } })
  })

  it('takes an object alone for options only if it can be nothing else', () => {
    expect(optionsAmong([options])).toEqual({ named: [], options })
    expect(optionsAmong([{}])).toEqual({ named: [{}], options: {} })
    expect(optionsAmong([{ soft: true, id: 1 }])).toEqual({ named: [{ soft: true, id: 1 }], options: {} })
  })

  it('finds none in what is no object, nor in a template', () => {
    for (const args of [[], ['/a'], ['/a', undefined], ['/a', null], ['/a', 'soft'], [['a']], ['/a', ['soft']]])
      expect(optionsAmong(args)).toEqual({ named: args, options: {} })
    const template = (...args: [TemplateStringsArray, ...unknown[]]) =>
      expect(optionsAmong(args)).toEqual({ named: args, options: {} })
    template`/a/${options}`
  })
})
