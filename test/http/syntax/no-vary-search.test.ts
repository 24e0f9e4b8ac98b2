import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseNoVarySearch } from '../../../src/http/syntax/no-vary-search.js'

const textOf = (value: string | undefined) => parseNoVarySearch(value)?.text
const same = (value: string, one: string, other: string) => {
  const rule = parseNoVarySearch(value)
  const [a, b] = [rule?.apply(one), rule?.apply(other)]
  return a !== undefined && a === b
}

describe('parseNoVarySearch', () => {
  it.each<[string, string]>([
    ['key-order', 'key-order'],
    ['key-order=?1', 'key-order'],
    ['key-order;x=1', 'key-order'],
    ['params=("a")', 'params=("a")'],
    ['params=("b" "a" "b");x', 'params=("a" "b")'],
    ['params=("a";x=1)', 'params=("a")'],
    ['params=("")', 'params=("")'],
    ['except=("x")', 'except=("x")'],
    ['except=()', 'except=()'],
    ['except=("x"), key-order', 'key-order, except=("x")'],
    ['key-order, params=("a"), future=1', 'key-order, params=("a")'],
    ['params=("%C3%A9+%E6%B0%97")', 'params=("%C3%A9%20%E6%B0%97")'],
    ['params=("a&b" "a=b" "50%")', 'params=("50%25" "a%26b" "a%3Db")'],
    // As browsers shipped it.
    ['params', 'except=()'],
    ['params=?1', 'except=()'],
    ['params, except=("x")', 'except=("x")'],
    ['key-order, params, except=("x")', 'key-order, except=("x")'],
    ['params=?0, key-order', 'key-order'],
  ])('reads %s', (value, expected) => {
    expect(textOf(value)).toBe(expected)
    expect(textOf(expected)).toBe(expected)
  })

  it.each<[string | undefined]>([
    [undefined],
    [''],
    ['unknown-key'],
    ['key-order=?0'],
    ['params=?0'],
    ['params=()'],
    ['key-order="yes"'],
    ['key-order, params="a"'],
    ['params=(a)'],
    ['params=("a" 1)'],
    ['params=("a"), except=("x")'],
    ['params=(), except=()'],
    ['params=?0, except=("x")'],
    ['except="x"'],
    ['except'],
    ['params, except=(x)'],
    ['key-order, params=("a"'],
    ['Key-Order'],
    ['key-order,'],
    ['params=("é")'],
    [`params=(${Array.from({ length: 257 }, (_, n) => `"p${n}"`).join(' ')})`],
  ])('takes for no rule: %s', (value) => {
    expect(parseNoVarySearch(value)).toBeUndefined()
  })
})

describe('SearchRule', () => {
  it.each<[string, string, string, boolean]>([
    ['key-order', '?a=1&b=2', '?b=2&a=1', true],
    ['key-order', '?a=1&a=2', '?a=2&a=1', false],
    ['key-order', '?a=1&b=2&a=3', '?b=2&a=1&a=3', true],
    ['key-order', '?a=1', '?a=1&b=2', false],
    ['params=("u")', '?a=1&u=2', '?u=3&a=1&u', true],
    ['params=("u")', '?a=1', '?a=1', true],
    ['params=("u")', '', '?u=1', true],
    ['params=("u")', '?a=1&b=2', '?b=2&a=1', false],
    ['params=("u")', '?a=1', '?a=2', false],
    ['params=("u")', '?U=1', '?U=2', false],
    ['params=("u")', '?u[]=1', '?u[]=2', false],
    ['params=("u v")', '?u+v=1', '?u%20v=2', true],
    ['except=("id")', '?id=1&x=1', '?y=2&id=1', true],
    ['except=("id")', '?id=1', '?id=2', false],
    ['except=("id")', '?id=1&id=2', '?id=2&id=1', false],
    ['except=("id")', '?id', '', false],
    ['except=()', '?a=1', '', true],
    // application/x-www-form-urlencoded
    ['key-order', '', '?', true],
    ['key-order', '?a=x', '?%61=%78', true],
    ['key-order', '?a=\u00c3\u00a9', '?a=%C3%A9', false],
    ['key-order', '?a=x&&&&', '?a=x', true],
    ['key-order', '?a=', '?a', true],
    ['key-order', '?a=+', '?a=%20', true],
    ['key-order', '?a=%2B', '?a=+', false],
    ['key-order', '?a=%C3%A9', '?a=e%CC%81', false],
    ['key-order', '?a=1%26b=2', '?a=1&b=2', false],
    ['key-order', '?a%3D1=2', '?a=1=2', false],
    ['key-order', '?a=1?b', '?a=1%3Fb', false],
    ['key-order', '?a=100%', '?a=100%25', true],
    // A parser that takes them otherwise would tell them apart.
    ['key-order', '?a=%f6', '?a=%ef%bf%bd', false],
    ['except=("id")', '', '?id[]=1', false],
    ['except=("id")', '', '?[id]=1', false],
    ['except=("id[a]")', '', '?id[b]=1', false],
    // Parsers put them into one value, in the order of the query.
    ['key-order', '?a=1&a[]=2', '?a[]=2&a=1', false],
    ['params=("u")', '?a=1&u=1&u[x]=2', '?a=1&u[x]=2', false],
    ['params=("u")', '??u=1', '??u=2', false],
    ['key-order', '?x=1]=2&x%3D1]=5', '?x%3D1]=5&x=1]=2', false],
    ['except=("id")', '?id=1&x=%ff', '?id=1&x=%ff', false],
  ])('%s: takes %s and %s for the same: %s', (value, one, other, expected) => {
    expect(same(value, one, other)).toBe(expected)
    expect(same(value, other, one)).toBe(expected)
  })

  it('leaves long queries to themselves', () => {
    const rule = parseNoVarySearch('except=()')
    expect(rule?.apply(`?${'a'.repeat(4095)}`)).toBe('')
    expect(rule?.apply(`?${'a'.repeat(4096)}`)).toBeUndefined()
  })

  it('leaves queries to themselves of which parsers read a part only', () => {
    const rule = parseNoVarySearch('except=("id")')
    expect(rule?.apply(`?${'u&'.repeat(255)}id=1`)).toBe('?id=1')
    expect(rule?.apply(`?${'u&'.repeat(256)}id=1`)).toBeUndefined()
    expect(rule?.apply(`?${'&'.repeat(256)}id=1`)).toBeUndefined()
  })

  it('takes two queries for the same exactly when what is left of them is', () => {
    const rules = [
      'key-order',
      'params=("a")',
      'except=("a" "b")',
      'key-order, except=("a" "b")',
      'key-order, params=("c")',
    ]
    const name = fc.constantFrom('a', 'b', 'c', 'A', 'a[]', '=', '&', 'é', '')
    const pairs = fc.array(fc.tuple(name, fc.constantFrom('1', '2', '', '&', '=', '+', 'é')), { maxLength: 4 })
    fc.assert(
      fc.property(fc.constantFrom(...rules), pairs, pairs, (value, one, other) => {
        const left = (list: [string, string][]) => {
          const kept = list.filter(([key]) => {
            if (value.includes('except')) return key === 'a' || key === 'b'
            return value.includes('"a"') ? key !== 'a' : value.includes('"c"') ? key !== 'c' : true
          })
          if (!value.includes('key-order')) return kept
          return [...kept].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
        }
        // A parser may take it for one that matters.
        const isAlone = (list: [string, string][]) => value.includes('except') && list.some(([key]) => key === 'a[]')
        fc.pre(!isAlone(one) && !isAlone(other))
        const isSame = JSON.stringify(left(one)) === JSON.stringify(left(other))
        const query = (list: [string, string][]) => `?${new URLSearchParams(list)}`
        expect(same(value, query(one), query(other))).toBe(isSame)
      }),
    )
  })
})
