import { describe, expect, it } from 'vitest'
import {
  credentialNames,
  credentialsOf,
  isSecretField,
  isSessionCookie,
  unservedCredential,
  unsharedCredential,
} from '../../../src/http/rules/credentials.js'
import { APPLICATION_STORAGE, PROXY_STORAGE } from '../../../src/http/rules/storage-policy.js'
import { parseCacheControl } from '../../../src/http/syntax/cache-control.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

const unshared = (request: Fields, control = '', vary: readonly string[] = [], policy = APPLICATION_STORAGE) =>
  unsharedCredential(request, parseCacheControl(control), vary, policy)

describe('isSessionCookie', () => {
  it.each([
    ...[
      'connect.sid',
      'koa.sess',
      'koa.sess.sig',
      'PHPSESSID',
      'JSESSIONID',
      'ASP.NET_SessionId',
      '.AspNetCore.Cookies',
    ],
    ...[
      'sid',
      'sessionid',
      'session',
      'laravel_session',
      '_myapp_session',
      'authToken',
      'access_token',
      'jwt',
      'id_token',
    ],
    ...[
      '__Host-id',
      '__Secure-next-auth.session-token',
      'next-auth.session-token',
      'remember_me',
      'wordpress_logged_in_1',
    ],
    ...['XSRF-TOKEN', '_csrf', 'sb-abc-auth-token', 'user', 'user_id', 'username', 'login', 'api_key', 'passport'],
    ...['iPlanetDirectoryPro', 'ObSSOCookie', 'MYSAPSSO2', 'CASTGC'],
    ...['fe_typo_user', 'be_typo_user', '_pomerium', 'isEssentialSession'],
  ])('takes %s for a session', (name) => {
    expect(isSessionCookie(name)).toBe(true)
  })

  it.each([
    ...[
      '_ga',
      '_ga_ABC123',
      '_gid',
      '_gat',
      '_gcl_au',
      '__utma',
      '_fbp',
      '_hjSessionUser_1',
      '_hjAbsoluteSessionInProgress',
    ],
    ...[
      '_pk_ses.1.1',
      '_pk_id.1.1',
      '_uetsid',
      '_uetvid',
      '_clck',
      '_clsk',
      '_pin_unauth',
      'ai_session',
      'ai_user',
      'amp_1',
    ],
    ...[
      'hubspotutk',
      '__hssc',
      '__cf_bm',
      'cookieconsent_status',
      'OptanonConsent',
      'lang',
      'theme',
      'consent',
      'currency',
    ],
    ...['_ttp', '_scid', 'mp_1_mixpanel', 'ajs_anonymous_id', 'NID', 'country', 'cookiesEssential', 'is_customer'],
  ])('takes %s for none', (name) => {
    expect(isSessionCookie(name)).toBe(false)
  })

  it('takes the signature of a cookie for a session', () => {
    expect(isSessionCookie('theme.sig')).toBe(true)
    expect(isSessionCookie('.signal')).toBe(false)
  })

  it.each([
    ['s:abc.def', true],
    ['"s%3Aabc.def"', true],
    ['S%3aabc.def', true],
    ['css:dark', false],
    ['items:3', false],
    ['"items%3A3"', false],
    ['s', false],
  ])('takes the value %s for signed: %s', (value, expected) => {
    expect(isSessionCookie('theme', value)).toBe(expected)
  })
})

describe('credentialsOf', () => {
  it('leaves out what the key holds', () => {
    const request = { authorization: 'x', 'x-tenant': 't', cookie: 'sid=1' }
    const policy = { ...APPLICATION_STORAGE, keyedFields: ['x-tenant', 'authorization'] }
    expect(credentialsOf(request, policy)).toEqual(['cookie'])
    expect(credentialsOf(request, { ...policy, keyedFields: ['cookie', 'x-tenant', 'authorization'] })).toEqual([])
  })

  it.each<[Fields, readonly string[]]>([
    [{}, []],
    [{ authorization: 'Bearer x' }, ['authorization']],
    [{ authorization: '' }, ['authorization']],
    [{ 'x-api-key': 'k' }, ['api-key']],
    [{ cookie: '_ga=1; theme=dark' }, []],
    [{ cookie: '_ga=1; connect.sid=s%3Aabc' }, ['cookie']],
    [{ cookie: 'connect.sid' }, ['cookie']],
    [{ cookie: ['a=1', 'sid=2'] }, ['cookie']],
    [{ cookie: 'note=my session' }, []],
    [{ cookie: 'sid; theme=dark' }, ['cookie']],
    [{ 'x-forwarded-user': '', 'x-api-key': undefined }, []],
    [{ 'x-forwarded-user': '', 'x-api-key': 'k' }, ['api-key']],
    [{ authorization: 'x', 'api-key': 'k', cookie: 'sid=1' }, ['authorization', 'api-key', 'cookie']],
  ])('%j carries %j', (request, expected) => {
    expect(credentialsOf(request, APPLICATION_STORAGE)).toEqual(expected)
  })

  it('RFC 9111, 3.5: knows Authorization alone in the proxy preset', () => {
    expect(credentialsOf({ authorization: 'x', 'api-key': 'k', cookie: 'sid=1' }, PROXY_STORAGE)).toEqual([
      'authorization',
    ])
  })
})

describe('credentialNames', () => {
  it('lists every credential with its kind, and no value', () => {
    const request = {
      authorization: 'x',
      'x-api-key': 'k',
      accept: '*/*',
      'x-auth-token': 't',
      cookie: 'sid=1; _ga=2; jwt=3',
    }
    expect(credentialNames(request, APPLICATION_STORAGE)).toEqual([
      { kind: 'authorization', name: 'authorization' },
      { kind: 'api-key', name: 'x-api-key' },
      { kind: 'api-key', name: 'x-auth-token' },
      { kind: 'cookie', name: 'sid' },
      { kind: 'cookie', name: 'jwt' },
    ])
    expect(credentialNames({ accept: '*/*', cookie: '_ga=2' }, APPLICATION_STORAGE)).toEqual([])
  })

  it('passes the names and values of cookies to the policy without whitespace, and no cookie without a name', () => {
    const seen: (readonly [string, string])[] = []
    const isSessionCookie = (name: string, value: string) => seen.push([name, value]) > 0
    const cookie = ' a = 1=2 ; s:b;c=, d=4;; =5;=6'
    const names = credentialNames({ cookie }, { ...APPLICATION_STORAGE, isSessionCookie }).map(({ name }) => name)
    expect(seen).toEqual([
      ['a', '1=2'],
      ['s:b', ''],
      ['c', ''],
      ['d', '4'],
    ])
    expect(names).toEqual(['a', 's:b', 'c', 'd'])
  })
})

describe('isSecretField', () => {
  it.each([
    ['authorization', true],
    ['proxy-authorization', true],
    ['cookie', true],
    ['x-api-key', true],
    ['x-forwarded-user', true],
    ['accept', false],
    ['user-agent', false],
    ['set-cookie', false],
  ])('of %s is %s', (name, expected) => {
    expect(isSecretField(name)).toBe(expected)
  })
})

describe('unsharedCredential', () => {
  const authorized = { authorization: 'Bearer alice' }
  it.each([
    ['', 'authorization'],
    ['max-age=60', 'authorization'],
    ['no-cache, max-age=60', 'authorization'],
    ['proxy-revalidate, max-age=60', 'authorization'],
    ['public', undefined],
    ['s-maxage=60', undefined],
    ['must-revalidate, max-age=60', undefined],
  ])('RFC 9111, 3.5: Authorization and %j: %s', (control, expected) => {
    expect(unshared(authorized, control)).toBe(expected)
    expect(unshared(authorized, control, [], PROXY_STORAGE)).toBe(expected)
  })

  it('RFC 9111, 3.5: is not impressed by Vary: Authorization', () => {
    expect(unshared(authorized, '', ['authorization'])).toBe('authorization')
  })

  it.each<[string, Fields, string, readonly string[], string | undefined]>([
    ['refuses an API key', { 'x-api-key': 'k' }, 'max-age=60', [], 'api-key'],
    ['shares a public response in spite of an API key', { 'x-api-key': 'k' }, 'public', [], undefined],
    ['shares a response with s-maxage in spite of a session', { cookie: 'sid=1' }, 's-maxage=60', [], undefined],
    [
      'does not take must-revalidate for a permission to share sessions',
      { cookie: 'sid=1' },
      'must-revalidate',
      [],
      'cookie',
    ],
    ['refuses a session', { cookie: 'sid=1' }, 'max-age=60', [], 'cookie'],
    ['shares in spite of analytics cookies', { cookie: '_ga=1' }, '', [], undefined],
    ['keeps sessions apart by Vary: Cookie', { cookie: 'sid=1' }, '', ['cookie'], undefined],
    ['keeps API keys apart by Vary', { 'x-api-key': 'k' }, '', ['x-api-key'], undefined],
  ])('%s', (_title, request, control, vary, expected) => {
    expect(unshared(request, control, vary)).toBe(expected)
  })

  it('lets users be kept apart by the key of the route', () => {
    const keyed = { ...APPLICATION_STORAGE, keyedFields: ['authorization', 'cookie', 'x-api-key'] }
    const request = { authorization: 'x', cookie: 'sid=1', 'x-api-key': 'k' }
    expect(unshared(request, '', [], keyed)).toBeUndefined()
    expect(unshared({ ...request, 'api-key': 'k' }, '', [], keyed)).toBe('api-key')
  })
})

describe('unservedCredential', () => {
  it('keeps what an anonymous request left from users in the application preset, and gives it to all in the proxy preset', () => {
    const control = parseCacheControl('max-age=60')
    const request = { authorization: 'Bearer alice' }
    expect(unservedCredential(request, control, [], APPLICATION_STORAGE)).toBe('authorization')
    expect(unservedCredential(request, control, [], PROXY_STORAGE)).toBeUndefined()
    expect(unservedCredential(request, parseCacheControl('public'), [], APPLICATION_STORAGE)).toBeUndefined()
  })
})
