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

type Lazy = () => ReturnType<typeof keyOf>

/** Makes the key when the test runs, not when it is collected. */
function later(...args: Parameters<typeof keyOf>): Lazy {
  return () => keyOf(...args)
}

describe('PrimaryKeys', () => {
  it.each(['', 'catalog:'])(
    'makes the key that buildKey makes, after requests to other origins, in group %j',
    (group) => {
      const keys = new PrimaryKeys({ group, query: 'all' })
      const origins = [
        ['http', 'a.example'],
        ['http', 'b.example'],
        ['http', 'b.example'],
        ['https', 'b.example'],
        ['https', 'a.example'],
        ['http', 'a.example'],
      ] as const
      for (const [protocol, host] of origins) {
        for (const [path, query] of [
          ['/a', ''],
          ['/b/c', ''],
          ['/b/c', '?d'],
        ] as const) {
          const key = keys.of({ method: 'GET', url: path + query, protocol, host, headers: {} }, '')
          expect(key?.text).toBe(buildKey(group + path, { method: 'GET', origin: `${protocol}://${host}`, query }))
          expect(key?.identity).toBe(`GET ${protocol}://${host}${path}${query}`)
        }
      }
    },
  )

  it('has none for another host after a request to a plain one', () => {
    const keys = new PrimaryKeys(policy)
    for (const host of ['a.example', 'a/b', 'a.example', '[']) {
      const found = ['/a', '/a?b'].map((url) =>
        keys.of({ method: 'GET', url, protocol: 'http', host, headers: {} }, ''),
      )
      expect(found.map((key) => key !== undefined)).toEqual([host === 'a.example', host === 'a.example'])
    }
  })

  it.each(['/a', '/a?b'])('tells apart what the options add to %s, also when it comes again', (url) => {
    const keys = new PrimaryKeys(policy)
    for (let round = 0; round < 3; round++) {
      const all = ['', '["u1"]', '["u2"]'].map((extra) => {
        const key = keys.of({ method: 'GET', url, protocol: 'http', host: 'a.example', headers: {} }, extra)
        if (key !== undefined) keys.found(key)
        return key
      })
      expect(new Set(all.map((key) => key?.text)).size).toBe(3)
      expect(all.map((key) => key?.identity)).toEqual([
        `GET http://a.example${url}`,
        `GET http://a.example${url}\n["u1"]`,
        `GET http://a.example${url}\n["u2"]`,
      ])
    }
  })

  it('says in the identity of a QUERY that it is one, with its content and what the options add', () => {
    const request: RequestHead = { method: 'QUERY', url: '/a?b', protocol: 'http', host: 'a.example', headers: {} }
    const { identity } = new PrimaryKeys(policy).ofQuery(request, '["u1"]', 'c'.repeat(64)) ?? {}
    expect(identity).toBe(`QUERY http://a.example/a?b\n${'c'.repeat(64)}\n["u1"]`)
  })

  it('escapes the bytes of a path that no URI has, in the readable part', () => {
    expect(keyOf('/\u00e4')?.text).toMatch(/^\/%E4:/)
  })

  describe('of a rule', () => {
    const rule = parseNoVarySearch('params=("u")')
    const head = (url: string, more: Partial<RequestHead> = {}): RequestHead => {
      return { method: 'GET', url, protocol: 'http', host: 'a.example', headers: {}, ...more }
    }
    const under = (keys: PrimaryKeys, request: RequestHead, content?: string) => {
      return rule && keys.under(rule, request, '', content)
    }

    it('have none for a target that is no path, for a host that is none, and for a query that is too long to read', () => {
      const keys = new PrimaryKeys(policy)
      expect(under(keys, head('/a?u=1'))).toBeDefined()
      expect(under(keys, head('*'))).toBeUndefined()
      expect(under(keys, head('/a?u=1', { host: 'a/b' }))).toBeUndefined()
      expect(under(keys, head(`/a?${'u&'.repeat(1000)}`))).toBeUndefined()
    })

    it('are remembered, without a content and up to a length', () => {
      const keys = new PrimaryKeys(policy)
      const long = `/a?x=${'1'.repeat(1024)}`
      expect(under(keys, head('/a?x=1'))).toBe(under(keys, head('/a?x=1')))
      for (const [url, content] of [
        [long, undefined],
        ['/a?x=1', 'c'.repeat(64)],
      ] as const) {
        expect(under(keys, head(url), content)).not.toBe(under(keys, head(url), content))
        expect(under(keys, head(url), content)).toEqual(under(keys, head(url), content))
      }
      expect(keys.ofRule(head('/a?x=1'), '', undefined)).toBe(keys.ofRule(head('/a'), '', undefined))
    })

    it('are those of the path for all contents of a QUERY', () => {
      const keys = new PrimaryKeys(policy)
      const ofContent = keys.ofRule(head('/a'), '', 'c'.repeat(64))
      expect(keys.ofRule(head('/a?x=1'), '', 'd'.repeat(64))).toEqual(ofContent)
      expect(ofContent.identity).toMatch(/^QUERY /)
      expect(keys.ofRule(head('/a'), '', undefined).identity).toMatch(/^GET /)
    })
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

  const apart: readonly (readonly [string, Lazy, Lazy])[] = [
    ['queries', later('/a?x=1'), later('/a?x=2')],
    ['the order of parameters', later('/a?x=1&y=2'), later('/a?y=2&x=1')],
    ['letter case of the path', later('/a'), later('/A')],
    ['a trailing slash', later('/a'), later('/a/')],
    ['hosts', later('/a'), later('/a', { host: 'b.example' })],
    ['ports', later('/a'), later('/a', { host: 'a.example:8080' })],
    ['letter case of the host', later('/a'), later('/a', { host: 'A.Example' })],
    ['a dot behind the host', later('/a'), later('/a', { host: 'a.example.' })],
    ['the default port', later('/a'), later('/a', { host: 'a.example:80' })],
    ['protocols', later('/a'), later('/a', { protocol: 'https' })],
    ['what the key option adds', later('/a'), later('/a', { extra: 'x' })],
    [
      'equal names in another order',
      later('/a?x=1&x=2', { query: 'sorted' }),
      later('/a?x=2&x=1', { query: 'sorted' }),
    ],
    // What parsers make of them counts.
    ['names in brackets', later('/a', { query: ['x'] }), later('/a?[x]=1', { query: ['x'] })],
    ['escaped brackets', later('/a', { query: ['x'] }), later('/a?%5Bx%5D=1', { query: ['x'] })],
    ['brackets beside what cannot be decoded', later('/a', { query: ['x'] }), later('/a?x%5B%ZZ=1', { query: ['x'] })],
    ['names after a dot', later('/a', { query: ['x'] }), later('/a?.x=1', { query: ['x'] })],
    [
      'more parameters than are read',
      later('/a?x=1', { query: ['x'] }),
      later(`/a?${'u&'.repeat(1000)}x=1`, { query: ['x'] }),
    ],
    ['more empty ones', later('/a?x=1', { query: ['x'] }), later(`/a?${'&'.repeat(1000)}x=1`, { query: ['x'] })],
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
        [`the order of ${one}`, later(one, { query: 'sorted' }), later(other, { query: 'sorted' })] as const,
    ),
    ['a second question mark', later('/??x=1', { query: ['x'] }), later('/??x=2', { query: ['x'] })],
    ['an empty query and none', later('/a'), later('/a?')],
    ['an escaped slash', later('/a/b'), later('/a%2Fb')],
    ['the letters of an escape', later('/a%2Fb'), later('/a%2fb')],
    ['an escaped letter', later('/%61%62'), later('/%61b')],
    ['an escape of an escape', later('/%2541'), later('/%41')],
    ['a query in the path', later('/a?b'), later('/a%3Fb')],
  ]
  for (const [what, one, other] of apart) {
    it(`tells apart ${what}`, () => {
      expect(one()?.text).not.toBe(other()?.text)
      expect(one()?.identity).not.toBe(other()?.identity)
    })
  }

  const same: readonly (readonly [string, Lazy, Lazy])[] = [
    ['GET and HEAD', later('/a'), later('/a', { method: 'HEAD' })],
    ['an empty query and none, of a list', later('/a', { query: ['x'] }), later('/a?', { query: ['x'] })],
    ['a sorted query', later('/a?y=2&x=1', { query: 'sorted' }), later('/a?x=1&y=2', { query: 'sorted' })],
    ['parameters that do not count', later('/a?x=1&utm=2', { query: ['x'] }), later('/a?x=1', { query: ['x'] })],
    [
      'the order of parameters that count',
      later('/a?y=2&x=1', { query: ['x', 'y'] }),
      later('/a?x=1&y=2', { query: ['x', 'y'] }),
    ],
    ['spellings of a name', later('/a?%78=1', { query: ['x'] }), later('/a?%78=1&z=2', { query: ['x'] })],
  ]
  for (const [what, one, other] of same) {
    it(`takes for the same ${what}`, () => {
      expect(one()).toBeDefined()
      expect(one()).toEqual(other())
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

    it('are not remembered if clients made them long', () => {
      const keys = new PrimaryKeys(policy)
      const url = `/a?${'b'.repeat(1024)}`
      expect(ask(keys, url)).not.toBe(ask(keys, url))
    })

    it('are remembered 1 in 8 once there are thousands', () => {
      const keys = new PrimaryKeys(policy)
      for (let index = 0; index < 5000; index++) ask(keys, `/?${index}`)
      const fresh = Array.from({ length: 2000 }, (_, index) => `/?x${index}`)
      const made = fresh.map((url) => ask(keys, url))
      const remembered = fresh.filter((url, at) => ask(keys, url, false) === made[at]).length
      // Seven standard deviations around 250.
      expect(remembered).toBeGreaterThan(145)
      expect(remembered).toBeLessThan(355)
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
