import { describe, expect, it } from 'vitest'
import { useStage } from '../middleware/contract-stage.js'
import { express, express4 } from '../middleware/hosts/express.js'
import type { CacheFace, Host } from '../middleware/hosts/host.js'
import { koa, koa2 } from '../middleware/hosts/koa.js'
import { lines, raw } from './raw.js'

/** What one client can put into a request, to change what others get. */
function attacks<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('where a target ends and a Host begins', () => {
    const hosts = [
      'a.example/foo',
      'a.example/foo?q=',
      'a.example/foo#',
      'a.example/foo\\',
      'a.example /foo',
      'a.example\t/foo',
    ]
    for (const host of hosts) {
      it(`is not blurred by Host: ${JSON.stringify(host)}`, async () => {
        const site = await stage.serve({
          use: [stage.cached({ ttl: 60 })],
          routes: [
            { path: '/bar', answer: () => ({ body: 'the short one' }) },
            { path: '/foo', answer: ({ query }) => ({ body: `the query ${query.get('q')}` }) },
            { path: '/foo/bar', answer: () => ({ body: 'the long one' }) },
          ],
        })
        const at = host.indexOf('/')
        await raw(site.port, lines('GET /bar HTTP/1.1', `Host: ${host}`))
        const victim = `${host.slice(at)}/bar`
        const got = await raw(site.port, lines(`GET ${victim} HTTP/1.1`, `Host: ${host.slice(0, at)}`))
        expect(got).not.toContain('the short one')
      })
    }
  })

  it('a fragment in the target, which no browser sends, is never a part of what others get', async () => {
    const client = await stage.page(({ path }) => ({ body: path }))
    const poisoned = await raw(client.port, lines('GET /page#"><script> HTTP/1.1', 'Host: a.example'))
    expect(poisoned).not.toContain('stored')
    expect((await client.get('/page', { host: 'a.example' })).cacheStatus.hit).toBe(false)
  })

  for (const [title, fields] of [
    ['Content-Length', ['Content-Length: 3', '', 'q=2']],
    ['chunks', ['Transfer-Encoding: chunked', '', '3', 'q=2', '0', '', '']],
    ['a length behind 1,000 fields', [...Array<string>(1_000).fill('a: b'), 'Content-Length: 3', '', 'q=2']],
  ] as const) {
    it(`a body of a GET (${title}) reaches the handler, and its answer reaches no other client`, async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }))
      const text = ['GET /page HTTP/1.1', 'Host: a.example', 'Connection: close', ...fields].join('\r\n')
      expect(await raw(client.port, text)).toContain('run 1')
      const got = await client.get('/page', { host: 'a.example' })
      expect(got.text).toBe('run 2')
      expect(await raw(client.port, text)).toContain('run 3')
    })
  }

  it('a body that never comes keeps no other request waiting', async () => {
    const client = await stage.page(({ run, fields }) =>
      fields['content-length'] === undefined ? { body: `run ${run}` } : new Promise(() => {}),
    )
    const slow = raw(client.port, 'GET /page HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\n')
    slow.catch(() => {})
    // Behind it, so that the first one has surely arrived.
    await raw(client.port, lines('GET /other HTTP/1.1', 'Host: a.example'))
    expect((await client.get('/page', { host: 'a.example' })).status).toBe(200)
  }, 5_000)

  it('an unsafe method in absolute form invalidates its target too', async () => {
    const client = await stage.serve({
      use: [stage.cached({ ttl: 60 })],
      routes: [
        { path: '/page', answer: ({ run }) => ({ body: `run ${run}` }) },
        { path: '/page', method: 'POST', answer: () => ({ status: 200, body: 'done' }) },
      ],
    })
    const get = () => client.get('/page', { host: 'a.example' })
    await get()
    await raw(client.port, lines('POST http://a.example/page?x=1 HTTP/1.1', 'Host: a.example', 'Content-Length: 0'))
    expect((await get()).text).toBe('run 2')
  })

  describe('a path that is spelled in another way', () => {
    for (const path of ['/item/%31', '/item/%3A', '/item/caf%c3%a9', '/item/a%20b', '/ITEM/1/', '/item/100%25']) {
      it(`${path} is reached by invalidate() of the parameter that the handler saw`, async () => {
        const cached = stage.cached({ ttl: 60 })
        const client = await stage.serve({
          use: [cached],
          routes: [{ path: '/item/:id', answer: ({ run }) => ({ body: `run ${run}` }) }],
        })
        await client.get(path)
        await cached.invalidate(decodeURIComponent(path).toLowerCase())
        expect((await client.get(path)).text).toBe('run 2')
      })
    }
    for (const [one, other] of [
      ['/item/a%2fb', '/item/a/b'],
      ['/item/%31', '/item/1'],
      ['//item/1', '/item/1'],
      ['/item/../item/1', '/item/1'],
      ['/item/1;x', '/item/1'],
      ['/item/1%00', '/item/1'],
      ['/item/1?', '/item/1?a'],
    ] as const) {
      it(`${one} has an answer of its own beside ${other}`, async () => {
        const client = await stage.serve({
          use: [stage.cached({ ttl: 60 })],
          routes: [{ path: '/item/:id', answer: ({ run }) => ({ body: `run ${run}` }) }],
        })
        const ask = (path: string) => raw(client.port, lines(`GET ${path} HTTP/1.1`, 'Host: a.example'))
        await ask(one)
        expect(await ask(other)).not.toContain('; hit')
      })
    }
  })

  it('a request without Host, an absolute target and a target of * have nothing to do with the others', async () => {
    const client = await stage.page(({ run }) => ({ body: `run ${run}` }))
    await raw(client.port, 'GET /page HTTP/1.0\r\n\r\n')
    await raw(client.port, lines('GET http://a.example/page HTTP/1.1', 'Host: b.example'))
    expect((await client.get('/page', { host: 'a.example' })).cacheStatus.hit).toBe(false)
    expect((await client.get('/page', { host: 'b.example' })).cacheStatus.hit).toBe(false)
    expect(await raw(client.port, lines('GET * HTTP/1.1', 'Host: a.example'))).toContain('404')
  })

  it('fields that are not trusted do not change whose page it is', async () => {
    const client = await stage.page(({ host }) => ({ body: host }))
    await client.get('/page', { host: 'a.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' })
    const got = await client.get('/page', { host: 'a.example' })
    expect(got.text).toBe('a.example')
  })

  it('fields of this library in a request mean nothing', async () => {
    const client = await stage.page(({ run }) => ({ body: `run ${run}` }))
    await client.get('/page')
    const got = await client.get('/page', {
      'cache-control': 'no-store, no-cache, only-if-cached',
      'fallback-cache-control': 'no-store',
      'cache-status': 'fallback-cache; fwd=bypass',
      'cache-group-invalidation': '"a"',
      'surrogate-control': 'no-store',
      'x-http-method-override': 'DELETE',
    })
    expect([got.status, got.text, got.cacheStatus.hit]).toEqual([200, 'run 1', true])
  })

  it('a Range on the first request does not cut what others get', async () => {
    const client = await stage.page(() => ({ body: '0123456789' }))
    expect((await client.get('/page', { range: 'bytes=0-1' })).text).toBe('0123456789')
    expect((await client.get('/page')).text).toBe('0123456789')
    expect((await client.get('/page', { range: 'bytes=50-' })).status).toBe(416)
    expect((await client.get('/page', { range: `bytes=${'0-1,'.repeat(2_000)}0-1` })).status).toBeLessThan(500)
    expect((await client.get('/page')).text).toBe('0123456789')
  })

  it('a condition on the first request does not empty what others get', async () => {
    const client = await stage.page(() => ({ fields: { etag: '"a"' }, body: 'whole' }))
    expect((await client.get('/page', { 'if-none-match': '"a"' })).status).toBe(304)
    expect((await client.get('/page')).text).toBe('whole')
    expect((await client.get('/page', { 'if-match': '"b"', 'if-unmodified-since': 'x' })).text).toBe('whole')
  })

  it('a HEAD on the first request does not empty what others get', async () => {
    const client = await stage.page(() => ({ body: 'whole' }))
    await client.ask('/page', { method: 'HEAD' })
    expect((await client.get('/page')).text).toBe('whole')
  })

  it('long fields cost no time', async () => {
    const client = await stage.page(() => ({ fields: { etag: '"a"', vary: 'Accept' }, body: 'whole' }))
    for (const value of [',', 'a=b;', '"', '"\\', '"a",', 'W/"', 'a;q=', 'bytes=0-1,', ' ', '=', 'sess=']) {
      const long = value.repeat(Math.floor(6_000 / value.length))
      const startedAt = performance.now()
      for (const name of [
        'cookie',
        'if-none-match',
        'range',
        'accept',
        'cache-control',
        'if-range',
        'if-modified-since',
      ]) {
        expect((await client.get('/page', { [name]: long })).status).toBeLessThan(500)
      }
      expect(performance.now() - startedAt).toBeLessThan(1_000)
    }
  })
}

for (const [name, host] of Object.entries({ express, express4, koa, koa2 }))
  describe(name, () => attacks(host as Host<CacheFace>))
