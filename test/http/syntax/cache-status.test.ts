import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendCacheStatus, type CacheStatus, cacheStatusMember } from '../../../src/http/syntax/cache-status.js'
import { parseList } from '../../../src/http/syntax/structured-fields.js'

describe('cacheStatusMember', () => {
  it.each<[string, CacheStatus, string]>([
    ['2.1 hit', { hit: true }, 'fallback-cache; hit'],
    ['2.4 ttl', { hit: true, ttl: 376 }, 'fallback-cache; hit; ttl=376'],
    ['2.4 negative ttl', { hit: true, ttl: -412 }, 'fallback-cache; hit; ttl=-412'],
    ['2.4 ttl in whole seconds', { hit: true, ttl: 1.9 }, 'fallback-cache; hit; ttl=1'],
    ['2.4 ttl within fifteen digits', { hit: true, ttl: Infinity }, 'fallback-cache; hit; ttl=999999999999999'],
    ['2.2 fwd', { fwd: 'uri-miss' }, 'fallback-cache; fwd=uri-miss'],
    ['2.3 fwd-status', { fwd: 'stale', fwdStatus: 304 }, 'fallback-cache; fwd=stale; fwd-status=304'],
    ['2.5 stored', { fwd: 'uri-miss', stored: true, ttl: 60 }, 'fallback-cache; fwd=uri-miss; stored; ttl=60'],
    ['2.5 not stored', { fwd: 'uri-miss', stored: false }, 'fallback-cache; fwd=uri-miss; stored=?0'],
    ['2.6 collapsed', { fwd: 'uri-miss', collapsed: true }, 'fallback-cache; fwd=uri-miss; collapsed'],
    ['2.6 collapsed in vain', { fwd: 'uri-miss', collapsed: false }, 'fallback-cache; fwd=uri-miss; collapsed=?0'],
    ['2.7 key', { hit: true, key: '/a:"x"' }, 'fallback-cache; hit; key="/a:\\"x\\""'],
    ['2.8 detail', { hit: true, ttl: 42, detail: 'memory' }, 'fallback-cache; hit; ttl=42; detail=memory'],
    ['2.8 detail that is no Token', { fwd: 'bypass', detail: 'no way' }, 'fallback-cache; fwd=bypass; detail="no way"'],
    ['2.1 hit excludes fwd', { hit: true, fwd: 'stale', stored: true, collapsed: true }, 'fallback-cache; hit'],
  ])('RFC 9211, %s', (_title, status, expected) => {
    expect(cacheStatusMember('fallback-cache', status)).toBe(expected)
  })

  it('RFC 9211, 2: is always a member of a Structured Fields List', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.double(), fc.string(), (name, key, ttl, detail) => {
        expect(parseList(cacheStatusMember(name, { hit: true, key, ttl, detail }))).toHaveLength(1)
        expect(parseList(cacheStatusMember(name, { fwd: 'stale', fwdStatus: 200, stored: true, detail }))).toHaveLength(
          1,
        )
      }),
    )
  })
})

describe('appendCacheStatus', () => {
  it('RFC 9211, 2: puts ours last, nearest to the user', () => {
    expect(appendCacheStatus(undefined, 'ours; hit')).toBe('ours; hit')
    expect(appendCacheStatus('', 'ours; hit')).toBe('ours; hit')
    expect(appendCacheStatus('OriginCache; hit; ttl=1100', 'ours; hit')).toBe('OriginCache; hit; ttl=1100, ours; hit')
  })
})
