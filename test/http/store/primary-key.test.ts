import { describe, expect, it } from 'vitest'
import { buildKey } from '../../../src/core/build-key.js'
import type { RequestHead } from '../../../src/http/port/request-head.js'
import { type KeyPolicy, PrimaryKeys, prefixesOfPath } from '../../../src/http/store/primary-key.js'
import { parseNoVarySearch } from '../../../src/http/syntax/no-vary-search.js'

const policy: KeyPolicy = { group: '', query: 'all' }

function keyOf(url: string, more: Partial<KeyPolicy & RequestHead> & { extra?: string } = {}) {
  const { group = '', query = 'all', extra = '', ...head } = more
  return new PrimaryKeys({ group, query }).of(
    { method: 'GET', url, protocol: 'http', host: 'a.example', headers: {}, ...head },
    extra,
  )
}

describe('PrimaryKeys', () => {
  it('makes the key that buildKey makes of a path without a query, after a request to another origin', () => {
    for (const host of ['a.example', 'b.example', 'b.example', 'a.example']) {
      for (const [path, group] of [
        ['/a', ''],
        ['/b/c', 'catalog:'],
      ] as const) {
        const params = { method: 'GET', origin: `http://${host}`, query: '' }
        expect(keyOf(path, { host, group })?.text).toBe(buildKey(group + path, params))
      }
    }
  })

  it('makes one key of all queries that are the same by a rule, and others of other rules', () => {
    const keys = new PrimaryKeys({ group: '', query: 'all' })
    const ask = (url: string, more: Partial<RequestHead> = {}): RequestHead => {
      return { method: 'GET', url, protocol: 'http', host: 'a.example', headers: {}, ...more }
    }
    const rules = ['params=("u")', 'except=()', 'key-order'].map((value) => parseNoVarySearch(value))
    const under = (at: number, request: RequestHead, extra = '', content?: string) => {
      const rule = rules[at]
      return rule && keys.under(rule, request, extra, content)
    }
    for (let round = 0; round < 2; round++) {
      expect(under(0, ask('/a?x=1&u=1'))).toEqual(under(0, ask('/a?u=2&x=1')))
      const all = [
        ...[0, 1, 2].map((at) => under(at, ask('/a?x=1'))),
        under(0, ask('/a?x=2')),
        under(0, ask('/b?x=1')),
        under(0, ask('/a?x=1', { host: 'b.example' })),
        under(0, ask('/a?x=1', { protocol: 'https' })),
        under(0, ask('/a?x=1'), '["key"]'),
        under(0, ask('/a?x=1'), '', 'c'.repeat(64)),
        keys.of(ask('/a?x=1'), ''),
        keys.of(ask('/a'), ''),
        keys.ofRule(ask('/a?x=1'), '', undefined),
        keys.ofRule(ask('/a?x=1'), '["key"]', undefined),
        keys.ofRule(ask('/a?x=1'), '', 'c'.repeat(64)),
      ]
      for (const key of all) expect(key?.text).toMatch(/^\/[ab](:[0-9a-f]{12}){1,2}$/)
      expect(new Set(all.map((key) => key?.text)).size).toBe(all.length)
      expect(new Set(all.map((key) => key?.identity)).size).toBe(all.length)
      expect(keys.ofRule(ask('/a?x=2'), '', undefined)).toEqual(keys.ofRule(ask('/a'), '', undefined))
    }
  })

  it('makes keys of the content of a QUERY that prefixes of its path reach', () => {
    const keys = new PrimaryKeys({ group: 'catalog:', query: 'all' })
    const request: RequestHead = { method: 'QUERY', url: '/a?b', protocol: 'http', host: 'a.example', headers: {} }
    const [a, b] = ['a'.repeat(64), 'b'.repeat(64)]
    const all = [keys.of(request, ''), keys.of(request, a), keys.ofQuery(request, '', a), keys.ofQuery(request, '', b)]
    const more = [keys.ofQuery(request, b, a), keys.ofQuery(request, a, b), keys.ofQuery(request, a, a)]
    for (const key of [...all, ...more]) expect(key?.text).toMatch(/^catalog:\/a(:[0-9a-f]{12}){1,2}$/)
    expect(new Set([...all, ...more].map((key) => key?.text)).size).toBe(7)
    expect(new Set([...all, ...more].map((key) => key?.identity)).size).toBe(7)
    expect(keys.ofQuery({ ...request, url: '*' }, '', a)).toBeUndefined()
    expect(keys.ofQuery({ ...request, host: 'a/b' }, '', a)).toBeUndefined()
  })

  it('makes keys of group, path and a short hash', () => {
    expect(keyOf('/products/1?a=1')?.text).toMatch(/^\/products\/1:[0-9a-f]{12}$/)
    expect(keyOf('/products/1', { group: 'catalog:' })?.text).toMatch(/^catalog:\/products\/1:[0-9a-f]{12}$/)
  })

  const apart: readonly (readonly [string, ReturnType<typeof keyOf>, ReturnType<typeof keyOf>])[] = [
    ['queries', keyOf('/a?x=1'), keyOf('/a?x=2')],
    ['the order of parameters', keyOf('/a?x=1&y=2'), keyOf('/a?y=2&x=1')],
    ['letter case of the path', keyOf('/a'), keyOf('/A')],
    ['a trailing slash', keyOf('/a'), keyOf('/a/')],
    ['hosts', keyOf('/a'), keyOf('/a', { host: 'b.example' })],
    ['ports', keyOf('/a'), keyOf('/a', { host: 'a.example:8080' })],
    ['letter case of the host', keyOf('/a'), keyOf('/a', { host: 'A.Example' })],
    ['a dot behind the host', keyOf('/a'), keyOf('/a', { host: 'a.example.' })],
    ['the default port', keyOf('/a'), keyOf('/a', { host: 'a.example:80' })],
    ['protocols', keyOf('/a'), keyOf('/a', { protocol: 'https' })],
    ['what the key option adds', keyOf('/a'), keyOf('/a', { extra: 'x' })],
    [
      'equal names in another order',
      keyOf('/a?x=1&x=2', { query: 'sorted' }),
      keyOf('/a?x=2&x=1', { query: 'sorted' }),
    ],
    // What parsers make of them counts.
    ['names in brackets', keyOf('/a', { query: ['x'] }), keyOf('/a?[x]=1', { query: ['x'] })],
    ['escaped brackets', keyOf('/a', { query: ['x'] }), keyOf('/a?%5Bx%5D=1', { query: ['x'] })],
    ['brackets beside what cannot be decoded', keyOf('/a', { query: ['x'] }), keyOf('/a?x%5B%ZZ=1', { query: ['x'] })],
    ['names after a dot', keyOf('/a', { query: ['x'] }), keyOf('/a?.x=1', { query: ['x'] })],
    [
      'more parameters than are read',
      keyOf('/a?x=1', { query: ['x'] }),
      keyOf(`/a?${'u&'.repeat(1000)}x=1`, { query: ['x'] }),
    ],
    ['more empty ones', keyOf('/a?x=1', { query: ['x'] }), keyOf(`/a?${'&'.repeat(1000)}x=1`, { query: ['x'] })],
    ...[
      ['/?a[]=2&a=1', '/?a=1&a[]=2'],
      ['/?f[x]=1&f=2', '/?f=2&f[x]=1'],
      ['/?a%5B%5D=2&a=1', '/?a=1&a%5B%5D=2'],
      ['/?a.x=2&a=1', '/?a=1&a.x=2'],
      ['/?[a]=2&a=1', '/?a=1&[a]=2'],
      ['/?[[a]]=1&[=2', '/?[=2&[[a]]=1'],
      ['/?x=1]=2&x%3D1]=5', '/?x%3D1]=5&x=1]=2'],
      ['/?%FF=1&%FE=2', '/?%FE=2&%FF=1'],
      ['/?b=1&a=2?c=3', '/?a=2?c=3&b=1'],
    ].map(
      ([one = '', other = '']) =>
        [`the order of ${one}`, keyOf(one, { query: 'sorted' }), keyOf(other, { query: 'sorted' })] as const,
    ),
    ['a second question mark', keyOf('/??x=1', { query: ['x'] }), keyOf('/??x=2', { query: ['x'] })],
    ['an empty query and none', keyOf('/a'), keyOf('/a?')],
    ['an escaped slash', keyOf('/a/b'), keyOf('/a%2Fb')],
    ['the letters of an escape', keyOf('/a%2Fb'), keyOf('/a%2fb')],
    ['an escaped letter', keyOf('/%61%62'), keyOf('/%61b')],
    ['an escape of an escape', keyOf('/%2541'), keyOf('/%41')],
    ['a query in the path', keyOf('/a?b'), keyOf('/a%3Fb')],
  ]
  for (const [what, one, other] of apart) {
    it(`tells apart ${what}`, () => {
      expect(one?.text).not.toBe(other?.text)
      expect(one?.identity).not.toBe(other?.identity)
    })
  }

  const same: readonly (readonly [string, ReturnType<typeof keyOf>, ReturnType<typeof keyOf>])[] = [
    ['GET and HEAD', keyOf('/a'), keyOf('/a', { method: 'HEAD' })],
    ['an empty query and none, of a list', keyOf('/a', { query: ['x'] }), keyOf('/a?', { query: ['x'] })],
    ['a sorted query', keyOf('/a?y=2&x=1', { query: 'sorted' }), keyOf('/a?x=1&y=2', { query: 'sorted' })],
    ['parameters that do not count', keyOf('/a?x=1&utm=2', { query: ['x'] }), keyOf('/a?x=1', { query: ['x'] })],
    [
      'the order of parameters that count',
      keyOf('/a?y=2&x=1', { query: ['x', 'y'] }),
      keyOf('/a?x=1&y=2', { query: ['x', 'y'] }),
    ],
    ['spellings of a name', keyOf('/a?%78=1', { query: ['x'] }), keyOf('/a?%78=1&z=2', { query: ['x'] })],
  ]
  for (const [what, one, other] of same) {
    it(`takes for the same ${what}`, () => {
      expect(one).toBeDefined()
      expect(one).toEqual(other)
    })
  }

  it('has none for a target that is no path', () => {
    expect(keyOf('*')).toBeUndefined()
    expect(keyOf('http://a.example/a')).toBeUndefined()
  })

  it.each([
    'a@b',
    'a,b',
    'a/b',
    'a?b',
    'a#b',
    'a b',
    'a"',
    'a<b',
    'a:',
    'a:b',
    ':80',
    '[::1',
    '[::1]a',
    '\u00e4',
    'a%41',
    '*',
  ])('has none for the host %j', (host) => {
    expect(keyOf('/a', { host })).toBeUndefined()
  })

  it.each(['a', 'A-b.c_d.', 'a:1', '127.0.0.1:80', '[::1]', '[::ffff:1.2.3.4]:8080', ''])(
    'has one for the host %j',
    (host) => {
      expect(keyOf('/a', { host })).toBeDefined()
    },
  )

  it.each(['HTTP', 'https,http', 'ws', '', 'http://a.example/a?x='])('has none for the protocol %j', (protocol) => {
    expect(keyOf('/a', { protocol })).toBeUndefined()
  })

  describe('of requests with a query that come again', () => {
    const head = (url: string): RequestHead => ({ method: 'GET', url, protocol: 'http', host: 'a', headers: {} })
    const ask = (keys: PrimaryKeys, url: string, isFound = true) => {
      const key = keys.of(head(url), '')
      if (isFound && key !== undefined) keys.found(key)
      return key
    }

    it('are remembered once something was found there', () => {
      const keys = new PrimaryKeys(policy)
      expect(ask(keys, '/a?b', false)).not.toBe(ask(keys, '/a?b'))
      expect(ask(keys, '/a?b')).toBe(ask(keys, '/a?b', false))
    })

    it('are not forgotten for thousands that nothing is found for', () => {
      const keys = new PrimaryKeys(policy)
      const key = ask(keys, '/a?b')
      for (let index = 0; index < 50_000; index++) ask(keys, `/?${index}`, false)
      expect(ask(keys, '/a?b')).toBe(key)
    })

    it('are remembered by thousands, those that are asked for often longest', () => {
      const keys = new PrimaryKeys(policy)
      const key = ask(keys, '/a?b')
      for (let index = 0; index < 200_000; index++) {
        ask(keys, `/?${index}`)
        if (index % 1000 === 0) expect(ask(keys, '/a?b')).toBe(key)
      }
      expect(ask(keys, '/?0', false)).not.toBe(ask(keys, '/?0', false))
      expect(ask(keys, '/?0', false)).toEqual(ask(keys, '/?0', false))
    })
  })

  it('survives a query that cannot be decoded', () => {
    expect(keyOf('/a?%zz=1', { query: ['x'] })?.identity).toBe('GET http://a.example/a')
  })
})

describe('prefixesOfPath', () => {
  it.each([
    ['', '/a', ['/a:', '/a/']],
    ['g:', '/a', ['g:/a:', 'g:/a/']],
    ['', '', ['/']],
    ['g:', '', ['g:/']],
  ])('of %j and %j are %j', (group, path, prefixes) => {
    expect(prefixesOfPath(group, path)).toEqual(prefixes)
  })
})
