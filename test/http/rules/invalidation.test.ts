import { describe, expect, it } from 'vitest'
import { invalidatedTargets, isSafe, targetUri } from '../../../src/http/rules/invalidation.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

const request = { method: 'POST', protocol: 'https', host: 'example.com:8443', url: '/things/1?x=2' }
const paths = (fields: Fields, status = 200, method = 'POST') =>
  invalidatedTargets({ ...request, method }, { status, fields }).map(({ url }) => url)

describe('isSafe', () => {
  it.each([
    ['GET', true],
    ['HEAD', true],
    ['OPTIONS', true],
    ['TRACE', true],
    ['QUERY', true],
    ['POST', false],
    ['PUT', false],
    ['DELETE', false],
    ['PATCH', false],
    ['FROB', false],
    ['get', false],
  ])('RFC 9110, 9.2.1: %s is safe: %s', (method, expected) => {
    expect(isSafe(method)).toBe(expected)
  })
})

describe('invalidatedTargets', () => {
  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'FROB'])('RFC 9111, 4.4: %s invalidates its target', (method) => {
    expect(paths({}, 200, method)).toEqual(['/things/1?x=2'])
  })

  it.each(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY'])('RFC 9111, 4.4: %s invalidates nothing', (method) => {
    expect(paths({ location: '/a' }, 200, method)).toEqual([])
  })

  it.each([
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [199, false],
    [400, false],
    [404, false],
    [500, false],
    [503, false],
  ])('RFC 9111, 4.4: an answer %i invalidates: %s', (status, expected) => {
    expect(paths({}, status).length > 0).toBe(expected)
  })

  it.each<[string, Fields, readonly string[]]>([
    ['Location as a path', { location: '/things/2?y=1' }, ['/things/2?y=1']],
    ['Location as a relative reference', { location: '2' }, ['/things/2']],
    ['Location as a URI of the same origin', { location: 'https://example.com:8443/a' }, ['/a']],
    ['Location in other letters', { location: 'HTTPS://EXAMPLE.com:8443/a#f' }, ['/a']],
    ['Content-Location', { 'content-location': '/b' }, ['/b']],
    ['both', { location: '/a', 'content-location': '/b' }, ['/a', '/b']],
    ['neither of another host', { location: 'https://evil.example/a' }, []],
    ['neither of another port', { location: 'https://example.com/a' }, []],
    ['neither of another scheme', { 'content-location': 'http://example.com:8443/a' }, []],
    ['neither of another authority by reference', { location: '//evil.example/a' }, []],
    ['nothing that is no URI', { location: 'http://[' }, []],
    ['nothing of a scheme without origin', { location: 'javascript:alert(1)' }, []],
  ])('RFC 9111, 4.4: invalidates beside the target: %s', (_title, fields, expected) => {
    expect(paths(fields)).toEqual(['/things/1?x=2', ...expected])
  })

  it('invalidates the target even when the host cannot be read', () => {
    const odd = { ...request, host: '[' }
    expect(invalidatedTargets(odd, { status: 200, fields: { location: '/a' } })).toMatchObject([
      { url: '/things/1?x=2' },
    ])
  })
})

describe('the absolute form of a request target', () => {
  it('names the host whose response is invalidated (RFC 9112, section 3.2.2)', () => {
    const absolute = { ...request, url: 'https://Shop.example/a?b#c' }
    expect(invalidatedTargets(absolute, { status: 200, fields: { location: '/d' } })).toEqual([
      { protocol: 'https', host: 'shop.example', url: '/a?b' },
      { protocol: 'https', host: 'shop.example', url: '/d' },
    ])
    expect(invalidatedTargets({ ...request, url: 'http://shop.example/a/' }, { status: 200, fields: {} })).toEqual([
      { protocol: 'https', host: 'shop.example', url: '/a/' },
    ])
    expect(invalidatedTargets({ ...request, url: 'http://[' }, { status: 200, fields: {} })).toEqual([])
    expect(invalidatedTargets({ ...request, url: '*' }, { status: 200, fields: {} }).length).toBeLessThanOrEqual(1)
  })
})

describe('targetUri', () => {
  it('RFC 9110, 7.1: is the URI that was requested', () => {
    expect(targetUri(request)?.href).toBe('https://example.com:8443/things/1?x=2')
    expect(targetUri({ ...request, url: 'http://shop.example/a' })?.href).toBe('http://shop.example/a')
  })

  it('RFC 3986, 5.2: resolves a reference against it', () => {
    expect(targetUri(request, '2?y')?.href).toBe('https://example.com:8443/things/2?y')
    expect(targetUri(request, '//shop.example')?.href).toBe('https://shop.example/')
  })

  it('is undefined if the host or the reference cannot be parsed', () => {
    expect(targetUri({ ...request, host: '[' })).toBeUndefined()
    expect(targetUri({ ...request, host: '[' }, 'https://shop.example/')).toBeUndefined()
    expect(targetUri(request, 'http://[')).toBeUndefined()
  })
})
