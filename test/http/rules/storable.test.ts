import { describe, expect, it } from 'vitest'
import type { Reason } from '../../../src/http/rules/reasons.js'
import { isStorable, refuseRequest, type Storability } from '../../../src/http/rules/storable.js'
import { APPLICATION_STORAGE, PROXY_STORAGE, type StoragePolicy } from '../../../src/http/rules/storage-policy.js'
import type { Fields } from '../../../src/http/syntax/fields.js'
import { formatHttpDate } from '../../../src/http/syntax/http-date.js'

const receivedAt = Date.UTC(2026, 10, 22, 12)
const at = (seconds: number) => formatHttpDate(receivedAt + seconds * 1000)
const application: StoragePolicy = { ...APPLICATION_STORAGE, ttl: 60 }

interface Given {
  readonly method?: string
  readonly request?: Fields
  readonly status?: number
  readonly fields?: Fields
  readonly handlerTtl?: number
}

function judge(given: Given, policy: StoragePolicy): Storability {
  const request = { method: given.method ?? 'GET', protocol: 'https', host: 'example.com', url: '/a?b=c' }
  return isStorable(
    { ...request, headers: given.request ?? {} },
    { status: given.status ?? 200, fields: given.fields ?? {} },
    { requestedAt: receivedAt, receivedAt, ttl: given.handlerTtl },
    policy,
  )
}

function verdict(given: Given, policy: StoragePolicy): Reason | 'stored' {
  const found = judge(given, policy)
  return found.storable ? 'stored' : found.reason
}

const cc = (control: string): Fields => ({ 'cache-control': control })

describe('isStorable', () => {
  it.each<[string, Given, Reason | 'stored', Reason | 'stored']>([
    // What the request says
    ['3 GET', { fields: cc('max-age=60') }, 'stored', 'stored'],
    ['3 a method that it does not understand', { method: 'FROB', fields: cc('max-age=60') }, 'method', 'method'],
    ['3 PUT', { method: 'PUT', fields: cc('max-age=60') }, 'method', 'method'],
    [
      '5.2.1.5 a request with no-store',
      { request: cc('no-store'), fields: cc('max-age=60') },
      'stored',
      'request-no-store',
    ],
    // Status
    ['3 a status that is not final', { status: 103, fields: cc('max-age=60') }, 'status', 'status'],
    ['3 a status beyond all', { status: 999, fields: cc('max-age=60') }, 'status', 'status'],
    ['3 304', { status: 304, fields: cc('max-age=60') }, 'precondition', 'precondition'],
    [
      '15.5.13 412, which is about the conditions of one request',
      { status: 412, fields: cc('max-age=60') },
      'precondition',
      'precondition',
    ],
    [
      '15.5.17 416, which is about the range of one request',
      { status: 416, fields: cc('max-age=60') },
      'precondition',
      'precondition',
    ],
    [
      '15.5.18 417, which is about the expectation of one request',
      { status: 417, fields: cc('public, max-age=60') },
      'precondition',
      'precondition',
    ],
    ...[428, 429, 431, 511].map((status): [string, Given, Reason, Reason] => [
      `RFC 6585: ${status}, which is about one client`,
      { status, fields: cc('public, max-age=60') },
      'status',
      'status',
    ]),
    ['3 404 with explicit freshness', { status: 404, fields: cc('max-age=60') }, 'stored', 'stored'],
    ['3 302 with explicit freshness', { status: 302, fields: cc('max-age=60') }, 'stored', 'stored'],
    ['3 500 with explicit freshness', { status: 500, fields: cc('max-age=60') }, 'status', 'stored'],
    [
      '3 an unknown final status with explicit freshness',
      { status: 299, fields: cc('max-age=60') },
      'status',
      'stored',
    ],
    ['3 404 without any', { status: 404 }, 'status', 'no-freshness'],
    [
      '5.2.2.3 must-understand and a known status',
      { fields: cc('max-age=60, must-understand, no-store') },
      'stored',
      'stored',
    ],
    [
      '5.2.2.3 must-understand and an unknown status',
      { status: 299, fields: cc('max-age=60, must-understand') },
      'must-understand',
      'must-understand',
    ],
    [
      '5.2.2.3 with no-store as well',
      { status: 299, fields: cc('max-age=60, must-understand, no-store') },
      'must-understand',
      'must-understand',
    ],
    // Directives
    ['5.2.2.5 no-store', { fields: cc('max-age=60, no-store') }, 'no-store', 'no-store'],
    ['5.2.2.5 no-store in any case', { fields: cc('No-Store, max-age=60') }, 'no-store', 'no-store'],
    ['5.2.2.7 private', { fields: cc('max-age=60, private') }, 'private', 'private'],
    ['5.2.2.7 private beats public', { fields: cc('max-age=60, public, private') }, 'private', 'private'],
    ['5.2.2.7 private of single fields', { fields: cc('max-age=60, private="x-a"') }, 'stored', 'stored'],
    [
      '5.2.2.4 no-cache with a validator',
      { fields: { ...cc('no-cache, max-age=60'), etag: '"a"' } },
      'no-cache',
      'stored',
    ],
    [
      '5.2.2.4 no-cache with a validator and no lifetime',
      { fields: { ...cc('no-cache'), etag: '"a"' } },
      'no-cache',
      'stored',
    ],
    ['5.2.2.4 no-cache without validator', { fields: cc('no-cache, max-age=60') }, 'no-cache', 'no-cache'],
    ['5.2.2.4 no-cache of single fields', { fields: cc('no-cache="x-a", max-age=60') }, 'stored', 'stored'],
    // Authorization
    [
      '3.5 Authorization',
      { request: { authorization: 'x' }, fields: cc('max-age=60') },
      'authorization',
      'authorization',
    ],
    [
      '3.5 Authorization and public',
      { request: { authorization: 'x' }, fields: cc('max-age=60, public') },
      'stored',
      'stored',
    ],
    [
      '3.5 Authorization and s-maxage',
      { request: { authorization: 'x' }, fields: cc('s-maxage=60') },
      'stored',
      'stored',
    ],
    [
      '3.5 Authorization and must-revalidate',
      { request: { authorization: 'x' }, fields: cc('max-age=60, must-revalidate') },
      'stored',
      'stored',
    ],
    ['7.3 an API key', { request: { 'x-api-key': 'x' }, fields: cc('max-age=60') }, 'api-key', 'stored'],
    ['7.3 a session cookie', { request: { cookie: 'connect.sid=1' }, fields: cc('max-age=60') }, 'cookie', 'stored'],
    ['7.3 an analytics cookie', { request: { cookie: '_ga=1' }, fields: cc('max-age=60') }, 'stored', 'stored'],
    ['7.3 Set-Cookie', { fields: { ...cc('max-age=60'), 'set-cookie': ['a=1'] } }, 'set-cookie', 'stored'],
    [
      '7.3 Set-Cookie with public',
      { fields: { ...cc('max-age=60, public'), 'set-cookie': 'a=1' } },
      'set-cookie',
      'stored',
    ],
    [
      '5.2.2.7 Set-Cookie that is private',
      { fields: { ...cc('max-age=60, private="set-cookie"'), 'set-cookie': 'a=1' } },
      'stored',
      'stored',
    ],
    [
      '5.2.2.4 Set-Cookie that is no-cache',
      { fields: { ...cc('max-age=60, no-cache="Set-Cookie"'), 'set-cookie': 'a=1' } },
      'stored',
      'stored',
    ],
    // Vary
    ['4.1 Vary: *', { fields: { ...cc('max-age=60'), vary: '*' } }, 'vary-star', 'vary-star'],
    ['4.1 Vary with * at the end', { fields: { ...cc('max-age=60'), vary: 'x-a, *' } }, 'vary-star', 'vary-star'],
    // Freshness
    ['4.2.1 no lifetime', {}, 'stored', 'no-freshness'],
    ['4.2.1 no lifetime, but a validator', { fields: { etag: '"a"' } }, 'stored', 'stored'],
    ['4.2.2 Last-Modified', { fields: { 'last-modified': at(-1000) } }, 'stored', 'stored'],
    [
      '4.2.2 Last-Modified and a status that does not allow it',
      { status: 201, fields: { 'last-modified': at(-1000) } },
      'status',
      'no-freshness',
    ],
    ['4.2.1 max-age=0', { fields: cc('max-age=0') }, 'stale', 'stored'],
    ['4.2.1 max-age=0 and must-revalidate', { fields: cc('max-age=0, must-revalidate') }, 'stale', 'stale'],
    [
      '4.2.1 max-age=0, must-revalidate and a validator',
      { fields: { ...cc('max-age=0, must-revalidate'), etag: '"a"' } },
      'stale',
      'stored',
    ],
    ['RFC 5861, 3 max-age=0 and a window', { fields: cc('max-age=0, stale-while-revalidate=5') }, 'stored', 'stored'],
    ['4.2.3 a response older than its lifetime', { fields: { ...cc('max-age=60'), age: '60' } }, 'stale', 'stored'],
    ['5.3 Expires: 0', { fields: { expires: '0' } }, 'stale', 'stored'],
    ['5.3 Expires', { fields: { expires: at(60) } }, 'stored', 'stored'],
    // Partial and endless
    ['3.3 206', { status: 206, fields: { ...cc('max-age=60'), 'content-range': 'bytes 0-1/5' } }, 'partial', 'stored'],
    [
      '3.3 206 of a unit that it does not understand',
      { status: 206, fields: { ...cc('max-age=60'), 'content-range': 'lines 0-1/5' } },
      'partial',
      'content-range',
    ],
    [
      '3.3 206 of several parts',
      { status: 206, fields: { ...cc('max-age=60'), 'content-type': 'multipart/byteranges; boundary=x' } },
      'partial',
      'content-range',
    ],
    [
      '3.3 an event stream',
      { fields: { ...cc('max-age=60'), 'content-type': 'text/event-stream' } },
      'event-stream',
      'event-stream',
    ],
    // POST
    [
      'RFC 9110, 9.3.3 POST with Content-Location',
      { method: 'POST', fields: { ...cc('max-age=60'), 'content-location': '/a?b=c' } },
      'method',
      'stored',
    ],
    [
      'RFC 9110, 9.3.3 POST with a full Content-Location',
      { method: 'POST', fields: { ...cc('max-age=60'), 'content-location': 'https://example.com/a?b=c' } },
      'method',
      'stored',
    ],
    [
      'RFC 9110, 9.3.3 POST with another Content-Location',
      { method: 'POST', fields: { ...cc('max-age=60'), 'content-location': '/a' } },
      'method',
      'content-location',
    ],
    [
      'RFC 9110, 9.3.3 POST that made something new',
      { method: 'POST', status: 201, fields: { ...cc('max-age=60'), 'content-location': '/a?b=c' } },
      'method',
      'content-location',
    ],
    [
      'RFC 9110, 9.3.3 POST without Content-Location',
      { method: 'POST', fields: cc('max-age=60') },
      'method',
      'content-location',
    ],
    [
      'RFC 9110, 9.3.3 POST without explicit freshness',
      { method: 'POST', fields: { 'content-location': '/a?b=c', 'last-modified': at(-1000) } },
      'method',
      'content-location',
    ],
    // Targeted fields
    [
      'RFC 9213, 2.2 a targeted no-store',
      { fields: { ...cc('max-age=60'), 'fallback-cache-control': 'no-store' } },
      'no-store',
      'no-store',
    ],
    [
      'RFC 9213, 2.2 a targeted permission',
      { fields: { ...cc('no-store'), 'fallback-cache-control': 'max-age=60' } },
      'stored',
      'stored',
    ],
    [
      'RFC 9213, 3 CDN-Cache-Control',
      { fields: { ...cc('no-store'), 'cdn-cache-control': 'max-age=60' } },
      'no-store',
      'stored',
    ],
  ])('RFC 9111, %s', (_title, given, inApplication, inProxy) => {
    expect(verdict(given, application)).toBe(inApplication)
    expect(verdict(given, PROXY_STORAGE)).toBe(inProxy)
  })

  it.each<[string, Given, Partial<StoragePolicy>, Reason | 'stored']>([
    ['no ttl, no lifetime: not stored', {}, { ttl: undefined }, 'no-freshness'],
    ['ttl is for successes and permanent redirects only', { status: 302 }, {}, 'status'],
    ['ttl is not for errors', { status: 500 }, {}, 'status'],
    ['statusTtl is for any status', { status: 404 }, { statusTtl: new Map([[404, 5]]) }, 'stored'],
    [
      'statusTtl lets a status state its lifetime',
      { status: 503, fields: cc('max-age=5') },
      { statusTtl: new Map([[503, 5]]) },
      'stored',
    ],
    [
      'statusTtl can rule a status out',
      { status: 301, fields: cc('max-age=5') },
      { statusTtl: new Map([[301, false as const]]) },
      'status',
    ],
    ['the handler gives a lifetime', { handlerTtl: 5 }, { ttl: undefined }, 'stored'],
    ['the handler is stronger than max-age', { handlerTtl: 5, fields: cc('max-age=0') }, {}, 'stored'],
    ['the handler cannot lift private', { handlerTtl: 5, fields: cc('private') }, {}, 'private'],
    ['the handler that failed afterwards is not meant', { handlerTtl: 5, status: 500 }, {}, 'status'],
    ['storeSetCookie', { fields: { 'set-cookie': 'a=1' } }, { storeSetCookie: true }, 'stored'],
    ['heuristic', { fields: { 'last-modified': at(-1000) } }, { ttl: undefined, heuristic: true }, 'stored'],
    ['a session that is part of the key', { request: { cookie: 'sid=1' } }, { keyedFields: ['cookie'] }, 'stored'],
  ])('%s', (_title, given, options, expected) => {
    expect(verdict(given, { ...application, ...options })).toBe(expected)
  })

  it('tells all three moments and both windows of what it lets in', () => {
    const fields = { ...cc('max-age=60, stale-while-revalidate=5, stale-if-error=30'), age: '10' }
    expect(judge({ fields }, application)).toMatchObject({
      storable: true,
      freshness: { lifetime: 60, source: 'max-age' },
      initialAge: 10_000,
      staleAt: receivedAt + 50_000,
      deleteAt: receivedAt + 80_000,
      staleWhileRevalidate: 5,
      staleIfError: 30,
    })
  })

  it('keeps for a while longer what can be validated', () => {
    const found = judge({ fields: { ...cc('max-age=600'), etag: '"a"' } }, application)
    expect(found).toMatchObject({ staleAt: receivedAt + 600_000, deleteAt: receivedAt + 1_200_000 })
  })

  it('gives no window where staleness is forbidden', () => {
    const policy = { ...application, staleWhileRevalidate: 30, staleIfError: 30 }
    expect(judge({ fields: cc('s-maxage=60') }, policy)).toMatchObject({
      deleteAt: receivedAt + 60_000,
      staleWhileRevalidate: 0,
      staleIfError: 0,
    })
  })
})

describe('refuseRequest', () => {
  it('knows before the handler runs', () => {
    const request = { method: 'GET', protocol: 'https', host: 'example.com', url: '/', headers: cc('no-store') }
    expect(refuseRequest(request, application)).toBeUndefined()
    expect(refuseRequest(request, PROXY_STORAGE)).toBe('request-no-store')
    expect(refuseRequest({ ...request, method: 'DELETE' }, application)).toBe('method')
  })
})
