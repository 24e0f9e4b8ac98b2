import { describe, expect, it } from 'vitest'
import { broken, chunked, useStage } from './contract-stage.js'
import type { Answer, CacheFace, Host } from './hosts/host.js'

/** What is never stored, and who is never answered from the store. */
export function refusalsContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('a request with credentials', () => {
    const credentials: Record<string, Record<string, string>> = {
      Authorization: { authorization: 'Bearer alice' },
      'Proxy-Authorization': { 'proxy-authorization': 'Basic YWxpY2U=' },
      'an API key': { 'x-api-key': 'alice' },
      'an access token': { 'x-access-token': 'alice' },
      'a session cookie of Express': { cookie: 'theme=dark; connect.sid=s%3Aalice' },
      'a session cookie of Koa': { cookie: 'koa.sess=alice' },
      'a session cookie by another name': { cookie: 'PHPSESSID=alice' },
      'a token cookie': { cookie: 'auth_token=alice' },
      'a __Host- cookie': { cookie: '__Host-id=alice' },
    }
    for (const [title, fields] of Object.entries(credentials)) {
      it(`neither fills the cache nor is answered from it: ${title}`, async () => {
        const client = await stage.page((call) => ({
          body: `${call.run} for ${Object.keys(fields).map((name) => call.fields[name])}`,
        }))
        const mine = await client.get('/page', fields)
        expect(mine.text).toContain('1 for ')
        expect(mine.cacheStatus).toMatchObject({ hit: false, stored: false, fwd: 'bypass' })
        expect(mine.cacheStatus.detail).toBeTruthy()
        expect((await client.get('/page')).text).toContain('2 for ')
        expect((await client.get('/page', fields)).text).toContain('3 for ')
        expect((await client.get('/page')).text).toContain('2 for ')
      })
    }

    it('is not seen in cookies that identify no user', async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }))
      await client.get('/page', { cookie: '_ga=GA1.2.3; theme=dark; consent=yes' })
      expect((await client.get('/page', { cookie: '_ga=GA1.2.4' })).text).toBe('run 1')
    })
  })

  describe('an answer made for a user who is logged in', () => {
    it('is not stored when middleware in front of the cache knew the user', async () => {
      const client = await stage.serve({
        outer: (call) => {
          if (call.fields['x-user']) call.signIn({ name: call.fields['x-user'] })
        },
        use: [stage.cached({ ttl: 60 })],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: `run ${run}` }) }],
      })
      expect((await client.get('/page', { 'x-user': 'alice' })).cacheStatus.stored).toBe(false)
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('is not stored when authentication runs behind the cache', async () => {
      const client = await stage.page((call) => {
        if (call.run === 1) call.signIn({ name: 'alice' })
        return { body: `run ${call.run}` }
      })
      const first = await client.get('/page')
      expect(first.cacheStatus.stored).toBe(false)
      expect(first.cacheStatus.detail).toBeTruthy()
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('is not stored when a session was used', async () => {
      const client = await stage.page((call) => {
        if (call.run === 1) call.session({ cart: ['book'] })
        return { body: `run ${call.run}` }
      })
      expect((await client.get('/page')).cacheStatus.stored).toBe(false)
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('is not suspected behind a session that holds nothing', async () => {
      const client = await stage.page((call) => {
        call.session({})
        return { body: `run ${call.run}` }
      })
      await client.get('/page')
      expect((await client.get('/page')).text).toBe('run 1')
    })
  })

  describe('an answer that is not to be stored', () => {
    const field = (fields: Answer['fields']): Answer => ({ ...(fields && { fields }) })
    const answers: Record<string, Answer> = {
      'Set-Cookie': field({ 'set-cookie': 'sid=alice' }),
      'several Set-Cookie': field({ 'set-cookie': ['a=1', 'b=2'] }),
      'Set-Cookie beside explicit freshness': field({ 'set-cookie': 'sid=alice', 'cache-control': 'max-age=60' }),
      private: field({ 'cache-control': 'private, max-age=60' }),
      'Private in another case': field({ 'cache-control': 'Private' }),
      'no-store': field({ 'cache-control': 'no-store' }),
      'max-age=0': field({ 'cache-control': 'max-age=0' }),
      'Vary: *': field({ vary: '*' }),
      'Vary with an asterisk in its list': field({ vary: 'accept-language, *' }),
      '500': { status: 500 },
      '502': { status: 502 },
      '503 with explicit freshness': { status: 503, fields: { 'cache-control': 'max-age=60' } },
      '401': { status: 401 },
      '403': { status: 403 },
      '400': { status: 400 },
      '429': { status: 429 },
      '404 without explicit freshness': { status: 404 },
    }
    for (const [title, answer] of Object.entries(answers)) {
      it(`passes through whole each time: ${title}`, async () => {
        const client = await stage.page(({ run }) => ({ ...answer, body: `run ${run}` }))
        for (const text of ['run 1', 'run 2', 'run 3']) {
          const got = await client.get('/page')
          expect(got.status).toBe(answer.status ?? 200)
          expect(got.text).toBe(text)
          for (const [name, value] of Object.entries(answer.fields ?? {}))
            expect(got.lines(name)).toEqual([value].flat())
          expect(got.cacheStatus).toMatchObject({ present: true, hit: false, stored: false })
          expect(got.cacheStatus.detail).toBeTruthy()
        }
      })
    }

    it('is stored when the route has a lifetime for its status', async () => {
      const client = await stage.page(({ run }) => ({ status: 404, body: `run ${run}` }), {
        ttl: 60,
        statusTtl: { 404: 10 },
      })
      await client.get('/page')
      const hit = await client.get('/page')
      expect(hit.status).toBe(404)
      expect(hit.text).toBe('run 1')
      stage.clock.advance(11_000)
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('is larger than maxBodySize, known from Content-Length or only at its end', async () => {
      const client = await stage.serve({
        use: [stage.cached({ ttl: 60, maxBodySize: 10 })],
        routes: [
          { path: '/text', answer: ({ run }) => ({ body: `eleven byte ${run}` }) },
          { path: '/stream', answer: ({ run }) => ({ body: chunked('0123456789', 'a', `${run}`) }) },
          { path: '/fits', answer: ({ run }) => ({ body: chunked('012345678', `${run}`) }) },
        ],
      })
      for (const run of [1, 2]) {
        expect((await client.get('/text')).text).toBe(`eleven byte ${run}`)
        expect((await client.get('/stream')).text).toBe(`0123456789a${run}`)
      }
      await client.get('/fits')
      expect((await client.get('/fits')).text).toBe('0123456781')
    })

    it('breaks in the middle of its body', async () => {
      const client = await stage.page(({ run }) => ({
        fields: { 'content-type': 'text/plain' },
        body: run === 1 ? broken('part') : chunked('who', 'le'),
      }))
      const first = await client.get('/page')
      expect(first.broken).toBe(true)
      expect((await client.get('/page')).text).toBe('whole')
      const third = await client.get('/page')
      expect(third.text).toBe('whole')
      expect(third.cacheStatus.hit).toBe(true)
    })

    it('is shorter than its Content-Length', async () => {
      const client = await stage.page(({ run }) => ({
        fields: { 'content-type': 'text/plain', 'content-length': '10' },
        body: run === 1 ? chunked('half') : chunked('01234', '56789'),
      }))
      // On a connection that stays, a client would wait for the rest.
      const first = await client.get('/page', { connection: 'close' })
      expect(first.text.length).toBeLessThan(10)
      expect((await client.get('/page')).text).toBe('0123456789')
      expect((await client.get('/page')).cacheStatus.hit).toBe(true)
    })

    it('carries the nonce of a Content-Security-Policy that middleware in front has set', async () => {
      let nonces = 0
      const client = await stage.serve({
        outer: (call) => {
          nonces += 1
          call.setField('content-security-policy', `script-src 'nonce-${nonces}'`)
        },
        use: [stage.cached({ ttl: 60 })],
        routes: [
          {
            path: '/page',
            answer: () => ({ fields: { 'content-type': 'text/html' }, body: `<script nonce="${nonces}"></script>` }),
          },
          { path: '/data', answer: ({ run }) => ({ body: { json: { run } } }) },
        ],
      })
      for (const nonce of [1, 2]) {
        const got = await client.get('/page')
        expect(got.text).toContain(`nonce="${nonce}"`)
        expect(got.field('content-security-policy')).toContain(`nonce-${nonce}`)
      }
      await client.get('/data')
      expect((await client.get('/data')).text).toBe('{"run":1}')
    })

    it('was skipped by the handler, or by the skip option', async () => {
      const client = await stage.serve({
        routes: [
          {
            path: '/handler',
            use: [stage.cached({ ttl: 60 })],
            answer: ({ run, handle }) => {
              handle.skip('draft')
              return { body: `run ${run}` }
            },
          },
          {
            path: '/option',
            use: [stage.cached({ ttl: 60, skip: () => true })],
            answer: ({ run }) => ({ body: `run ${run}` }),
          },
        ],
      })
      expect((await client.get('/handler')).cacheStatus.detail).toContain('draft')
      expect((await client.get('/handler')).text).toBe('run 2')
      await client.get('/option')
      expect((await client.get('/option')).text).toBe('run 2')
    })
  })

  describe('POST', () => {
    it('is never stored and never answered from the store', async () => {
      const cached = stage.cached({ ttl: 60 })
      const client = await stage.serve({
        use: [cached],
        routes: [
          { path: '/page', answer: ({ run }) => ({ body: `get ${run}` }) },
          {
            path: '/page',
            method: 'POST',
            answer: ({ run }) => ({ status: 500, fields: { 'cache-control': 'max-age=60' }, body: `post ${run}` }),
          },
        ],
      })
      await client.get('/page')
      expect((await client.ask('/page', { method: 'POST', body: 'x' })).text).toBe('post 1')
      expect((await client.ask('/page', { method: 'POST', body: 'x' })).text).toBe('post 2')
      expect((await client.get('/page')).text).toBe('get 1')
    })
  })
}
