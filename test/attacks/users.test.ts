import { describe, expect, it } from 'vitest'
import { fallbackCache as expressCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { gate, useStage } from '../middleware/contract-stage.js'
import { express, express4 } from '../middleware/hosts/express.js'
import type { CacheFace, CommonOptions, Host } from '../middleware/hosts/host.js'
import { koa, koa2 } from '../middleware/hosts/koa.js'

/** What makes a page one user's own, and how it could reach another user. */
function attacks<M extends CacheFace>(host: Host<M>, proxy: (options: CommonOptions) => M): void {
  const stage = useStage(host)

  describe('a field that names the user', () => {
    const names = [
      'Authorization',
      'Proxy-Authorization',
      'X-Authorization',
      'X-API-Key',
      'ApiKey',
      'X-Auth-Token',
      'X-Access-Token',
      'X-Session-Token',
      'X-Session-Id',
      'Private-Token',
      'X-JWT-Assertion',
      'Cf-Access-Jwt-Assertion',
      'X-Amzn-Oidc-Data',
      'X-Goog-Authenticated-User-Email',
      'X-Ms-Client-Principal-Id',
      'X-Auth-Request-Email',
      'X-Forwarded-User',
      'X-Forwarded-Email',
      'X-Forwarded-Access-Token',
      'X-Remote-User',
      'Remote-User',
      'X-User-Id',
      'X-Client-Cert',
      'X-SSL-Client-S-DN',
    ]
    for (const name of names) {
      it(`${name} keeps the page from others, and others from the page`, async () => {
        const client = await stage.page(({ fields }) => ({ body: `page of ${fields[name.toLowerCase()]}` }))
        expect((await client.get('/page', { [name]: 'alice' })).text).toBe('page of alice')
        expect((await client.get('/page', { [name]: 'bob' })).text).toBe('page of bob')
        expect((await client.get('/page')).text).toBe('page of undefined')
        expect((await client.get('/page', { [name]: 'alice' })).text).toBe('page of alice')
      })
    }
    it('is none of those that browsers and proxies send with every request', async () => {
      const client = await stage.page(() => ({ body: 'page' }))
      await client.get('/page')
      const got = await client.get('/page', {
        'user-agent': 'a',
        'sec-fetch-user': '?1',
        'sec-fetch-mode': 'navigate',
        'upgrade-insecure-requests': '1',
        'x-forwarded-for': '1.2.3.4',
        'x-request-id': '1',
        'x-real-ip': '1.2.3.4',
        traceparent: '00-1-1-00',
        'x-amzn-trace-id': 'a',
        'cf-ray': 'a',
        referer: 'http://a.example/token',
        authority: 'a.example',
        'x-original-uri': '/',
      })
      expect(got.cacheStatus.hit).toBe(true)
    })
  })

  describe('a cookie', () => {
    const sessions = [
      'connect.sid=a',
      'CONNECT.SID=a',
      ' connect.sid =a',
      'a=b;connect.sid=a',
      'a=b,connect.sid=a',
      'a="b;connect.sid=a"',
      '; ;connect.sid=a',
      'koa.sess=a',
      '_gateway_session=a',
      '_gallery_auth=a',
      '_fbapp_session=a',
      '_hjalmar_session=a',
      '__cfsession_token=a',
      'KEYCLOAK_IDENTITY=a',
      'currentUser=a',
      'user_data=a',
      '__Host-id=a',
    ]
    for (const cookie of sessions) {
      it(`${JSON.stringify(cookie)} keeps the page from others`, async () => {
        const client = await stage.page(({ fields }) => ({ body: `page of ${fields.cookie}` }))
        await client.get('/page', { cookie })
        expect((await client.get('/page')).text).toBe('page of undefined')
        expect((await client.get('/page', { cookie: `${cookie}b` })).text).toBe(`page of ${`${cookie}b`.trim()}`)
      })
    }
    const analytics =
      '_ga=1; _ga_X1=2; _gid=3; _gat_UA=4; _hjSession_1=5; _hjSessionUser_1=6; _gcl_au=7; __utmz=8; ai_user=9'
    it('of analytics does not', async () => {
      const client = await stage.page(() => ({ body: 'page' }))
      await client.get('/page', { cookie: analytics })
      expect((await client.get('/page')).cacheStatus.hit).toBe(true)
    })
  })

  for (const user of [{ id: 'alice' }, ['alice'], Symbol('alice'), true, Number.NaN, () => 'alice']) {
    it(`the user option does not take ${typeof user} ${String(user)} for the name of a user`, async () => {
      const client = await stage.page(({ fields }) => ({ body: `page of ${fields.authorization}` }), {
        ttl: 60,
        user: () => user as unknown as string,
      })
      for (const name of ['alice', 'bob']) {
        expect((await client.get('/page', { authorization: name })).text).toBe(`page of ${name}`)
      }
    })
  }
  for (const user of [undefined, null, '', false]) {
    it(`the user option takes ${JSON.stringify(user)} for no user`, async () => {
      const client = await stage.page(({ fields }) => ({ body: `page of ${fields.authorization}` }), {
        ttl: 60,
        user: () => user as unknown as string,
      })
      await client.get('/page', { authorization: 'alice' })
      expect((await client.get('/page', { authorization: 'bob' })).text).toBe('page of bob')
      expect((await client.get('/page')).text).toBe('page of undefined')
    })
  }

  for (const answer of ['yes', 1, {}, Promise.resolve('yes')]) {
    it(`the skip option takes ${typeof answer} ${String(answer)} for yes`, async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), {
        ttl: 60,
        skip: () => answer as unknown as boolean,
      })
      await client.get('/page')
      expect((await client.get('/page')).text).toBe('run 2')
    })
  }

  for (const key of [{}, [], Number.NaN]) {
    it(`the key option takes no ${String(key)}`, async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), {
        ttl: 60,
        key: () => key as unknown as string,
      })
      await client.get('/page')
      expect((await client.get('/page')).text).toBe('run 2')
    })
  }

  it('the key option tells numbers apart, and undefined and null from nothing', async () => {
    let key: unknown
    const client = await stage.page(() => ({ body: `page of ${key ?? 'no user'}` }), {
      ttl: 60,
      key: () => key as string,
    })
    for (const [next, text] of [
      [7, 'page of 7'],
      [8, 'page of 8'],
      [undefined, 'page of no user'],
      [null, 'page of no user'],
      [7, 'page of 7'],
    ]) {
      key = next
      expect((await client.get('/page')).text).toBe(text)
    }
  })

  it('what outer middleware negotiated and names in Vary keeps the languages apart', async () => {
    let language = ''
    const client = await stage.serve({
      outer: ({ fields, setField }) => {
        language = String(fields['accept-language'])
        setField('Vary', 'Accept-Language, Origin, Accept-Encoding')
      },
      use: [stage.cached({ ttl: 60 })],
      routes: [{ path: '/page', answer: ({ run }) => ({ body: `${language} ${run}` }) }],
    })
    const get = (to: string) => client.get('/page', { 'accept-language': to })
    expect((await get('de')).text).toBe('de 1')
    expect((await get('fr')).text).toBe('fr 2')
    expect((await get('de')).text).toBe('de 1')
    expect((await client.get('/page', { 'accept-language': 'de', origin: 'http://a' })).text).toBe('de 1')
  })

  for (const control of ['no-cache', 'max-age=0', 'no-cache, max-age=60']) {
    it(`who waits in the proxy preset does not get the ${control} page of another`, async () => {
      const { opened, open } = gate()
      const { opened: begun, open: begin } = gate()
      const client = await stage.serve({
        use: [proxy({ clock: stage.clock })],
        routes: [
          {
            path: '/page',
            answer: async ({ fields }) => {
              begin()
              await opened
              return {
                fields: { 'cache-control': control, etag: `"${fields.cookie}"` },
                body: `page of ${fields.cookie}`,
              }
            },
          },
        ],
      })
      const alice = client.get('/page', { cookie: 'uid=alice' })
      await begun
      const bob = client.get('/page', { cookie: 'uid=bob' })
      // Behind it, so that it has surely arrived.
      await client.get('/other')
      open()
      expect((await alice).text).toBe('page of uid=alice')
      expect((await bob).text).toBe('page of uid=bob')
    })
  }

  it('a visitor who is logged in keeps no other visitor from a fresh page', async () => {
    const client = await stage.page(
      ({ run, fields }) => ({
        fields: {
          'cache-control': fields.authorization ? 'private' : 'public, max-age=10, stale-while-revalidate=600',
        },
        body: `run ${run} for ${fields.authorization ?? 'guest'}`,
      }),
      { ttl: 60 },
    )
    await client.get('/page')
    stage.clock.advance(11_000)
    expect((await client.get('/page', { authorization: 'Bearer alice' })).text).toBe('run 1 for guest')
    await client.get('/other')
    const texts = new Set<string>()
    for (let count = 0; count < 20; count += 1) texts.add((await client.get('/page')).text)
    // The refresh that she sets off carries nothing of hers.
    expect(texts).toContain('run 2 for guest')
    expect([...texts].every((text) => text.endsWith('for guest'))).toBe(true)
  })

  it('a cookie that the handler sets reaches a client whose copy is still right', async () => {
    const client = await stage.page(({ fields }) => ({
      fields: { etag: '"a"', 'set-cookie': `seen=${fields['user-agent']}` },
      body: 'page',
    }))
    const got = await client.get('/page', { 'if-none-match': '"a"', 'user-agent': 'alice' })
    expect([got.status, got.field('set-cookie')]).toEqual([304, 'seen=alice'])
  })
}

describe('express', () => attacks(express, ({ clock }) => expressCache({ preset: 'proxy', ...(clock && { clock }) })))
describe('express4', () => attacks(express4, ({ clock }) => expressCache({ preset: 'proxy', ...(clock && { clock }) })))
describe('koa', () => attacks(koa, ({ clock }) => koaCache({ preset: 'proxy', ...(clock && { clock }) })))
describe('koa2', () => attacks(koa2, ({ clock }) => koaCache({ preset: 'proxy', ...(clock && { clock }) })))
