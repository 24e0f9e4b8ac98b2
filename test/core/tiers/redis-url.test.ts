import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readRedisUrl } from '../../../src/core/tiers/redis-url.js'

const plain = {
  isSecure: false,
  master: undefined,
  username: '',
  password: undefined,
  database: 0,
  family: 0,
}

describe('readRedisUrl', () => {
  it.each([
    ['redis://localhost', { addresses: [{ host: 'localhost', port: 6379 }] }],
    ['redis://localhost:', { addresses: [{ host: 'localhost', port: 6379 }] }],
    ['redis://localhost:65535', { addresses: [{ host: 'localhost', port: 65535 }] }],
    ['redis://localhost/', { addresses: [{ host: 'localhost', port: 6379 }] }],
    [' REDIS://redis.example.com:7000/12\n', { addresses: [{ host: 'redis.example.com', port: 7000 }], database: 12 }],
    ['rediss://10.0.0.1:1', { addresses: [{ host: '10.0.0.1', port: 1 }], isSecure: true }],
    ['redis://[::1]:7000/1', { addresses: [{ host: '::1', port: 7000 }], database: 1 }],
    ['redis://[fe80::1%25eth0]:7000', { addresses: [{ host: 'fe80::1%eth0', port: 7000 }] }],
    ['redis://[2001:db8::1]', { addresses: [{ host: '2001:db8::1', port: 6379 }] }],
    ['redis://h?family=6', { addresses: [{ host: 'h', port: 6379 }], family: 6 }],
    ['redis://:pass@h', { addresses: [{ host: 'h', port: 6379 }], password: 'pass' }],
    ['redis://app@h', { addresses: [{ host: 'h', port: 6379 }], username: 'app', password: '' }],
    ['redis://app:a:b@c@h', { addresses: [{ host: 'h', port: 6379 }], username: 'app', password: 'a:b@c' }],
    [
      'redis-sentinel://app:p%2Fw@a:1,[::1],[::2]:3/my%20master/4',
      {
        addresses: [
          { host: 'a', port: 1 },
          { host: '::1', port: 26379 },
          { host: '::2', port: 3 },
        ],
        master: 'my master',
        username: 'app',
        password: 'p/w',
        database: 4,
      },
    ],
    ['rediss-sentinel://a/m', { addresses: [{ host: 'a', port: 26379 }], master: 'm', isSecure: true }],
  ])('reads %j', (text, parts) => {
    expect(readRedisUrl(text)).toEqual({ ...plain, ...parts })
  })

  it.each([
    ['', /is empty.*leave the option out/],
    ['localhost:6379', /scheme is missing.*redis:\/\/host:6379/],
    ['http://h:6379', /http:\/\/ is not the protocol of Redis.*rediss:\/\//],
    ['https://h', /https:\/\/ is not/],
    ['memcached://h', /scheme is unknown/],
    ['myunix://h', /scheme is unknown/],
    ['sockets://h', /scheme is unknown/],
    ['redis+unix:///tmp/redis.sock', /new Redis\({ path }\)/],
    ['unix:///tmp/redis.sock', /new Redis\({ path }\)/],
    ['/tmp/redis.sock', /new Redis\({ path }\)/],
    ['redis://', /host must be/],
    ['redis://:6379', /host must be/],
    ['redis://::1:6379', /in brackets/],
    ['redis://[::1', /in brackets/],
    ['redis://[localhost]', /in brackets/],
    ['redis://a b', /host must be/],
    ['redis://h:6379x', /host must be/],
    ['redis://[::1]:6379x', /host must be/],
    ['redis://h:65536', /port must be/],
    ['redis://h:0', /port must be/],
    ['redis://h:99999', /port must be/],
    ['redis://h/abc', /number of a database/],
    ['redis://h/1abc', /number of a database/],
    ['redis://h/-1', /number of a database/],
    ['redis://h/1.5', /number of a database/],
    ['redis://h/0x1', /number of a database/],
    ['redis://h/1e2', /number of a database/],
    ['redis://h/ 1', /number of a database/],
    ['redis://h/NaN', /number of a database/],
    ['redis://h/1/2', /number of a database/],
    ['redis://h/99999999999', /number of a database/],
    ['redis://h?family=5', /only parameter/],
    ['redis://h?db=4', /only parameter/],
    ['redis://h?db=1', /only parameter/],
    ['redis://h?enableOfflineQueue=true', /only parameter/],
    ['redis://:s3cr#et@h', /percent-encoded/],
    ['redis://:s3cr/et@h', /percent-encoded/],
    ['redis://:s3cr?et@h', /percent-encoded/],
    ['redis://:s3cr%et@h', /percent-encoded/],
    ['redis-sentinel://h', /name-of-master/],
    ['redis-sentinel://h/', /name-of-master/],
    ['redis-sentinel://h/m/x', /number of a database/],
    ['redis-sentinel://h/m/1/2', /name-of-master/],
    ['redis-sentinel://h,/m', /host must be/],
    ['redis-sentinel://::1/m', /in brackets/],
    ['redis-sentinel://h/%E0%A4%A', /percent-encoded/],
  ])('refuses %j', (text, rule) => {
    expect(() => readRedisUrl(text)).toThrow(TypeError)
    expect(() => readRedisUrl(text)).toThrow(rule)
  })

  it('brings back every user name and password that was percent-encoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' }), (user, password) => {
        const { username, password: read } = readRedisUrl(
          `redis://${encodeURIComponent(user)}:${encodeURIComponent(password)}@h`,
        )
        expect([username, read]).toEqual([user, password])
      }),
    )
  })

  it('shows no piece of a URL that cannot be read', () => {
    const piece = fc.constantFrom('S3CRET', ':', '/', '@', '#', '?', '%', '[', ']', ',', ' ', '99999', '\\')
    const scheme = fc.constantFrom('redis://', 'rediss://', 'redis-sentinel://', 'http://', '', 'S3CRET://')
    fc.assert(
      fc.property(scheme, fc.array(piece, { maxLength: 12 }), (begin, pieces) => {
        try {
          readRedisUrl(begin + pieces.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
          expect(inspect(error, { showHidden: true, depth: 9 }).split('\n    at ')[0]).not.toMatch(/S3CRET/i)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
