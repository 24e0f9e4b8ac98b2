import { describe, expect, it } from 'vitest'
import { chunked, gate, useStage } from './contract-stage.js'
import type { Answer, CacheFace, Call, CommonOptions, Host } from './hosts/host.js'

/** What becomes of the answers to POST where they may be stored (RFC 9110, section 9.3.3). */
export function postContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)
  const FOR_GET = { 'cache-control': 'max-age=60', 'content-location': '/page' }

  const site = async (
    post: (call: Call) => Answer | Promise<Answer>,
    options: CommonOptions = { ttl: 60, methods: ['GET', 'HEAD', 'POST'] },
    uses: readonly M[] = [],
  ) => {
    const cached = stage.cached(options)
    const client = await stage.serve({
      use: [cached],
      routes: [
        { path: '/page', use: uses, answer: ({ run, fields }) => ({ body: `get ${run} ${fields['x-plan'] ?? ''}` }) },
        { path: '/page', use: uses, method: 'POST', answer: post },
      ],
    })
    const send = (fields: Record<string, string> = {}, path = '/page') =>
      client.ask(path, { method: 'POST', body: 'x', fields })
    return { cached, client, send }
  }

  describe('POST that may be stored', () => {
    it('answers GET and HEAD afterwards, and no other POST', async () => {
      const { client, send } = await site(({ run }) => ({ fields: FOR_GET, body: `post ${run}` }))
      await client.get('/page')
      const first = await send()
      expect([first.text, first.cacheStatus]).toMatchObject(['post 1', { fwd: 'method', stored: true, ttl: 60 }])
      const got = await client.get('/page')
      expect([got.text, got.cacheStatus.hit, got.field('content-location')]).toEqual(['post 1', true, '/page'])
      const head = await client.ask('/page', { method: 'HEAD' })
      expect([head.status, head.cacheStatus.hit, head.field('content-length')]).toEqual([200, true, '6'])
      expect((await send()).text).toBe('post 2')
      expect((await client.get('/page')).text).toBe('post 2')
    })

    it('answers GET when its handler has asked for the type of its content, as body parsers do', async () => {
      const { client, send } = await site(({ fields }) => ({ fields: FOR_GET, body: `post ${fields['content-type']}` }))
      expect((await send({ 'content-type': 'text/plain' })).text).toBe('post text/plain')
      const got = await client.get('/page')
      expect([got.text, got.cacheStatus.hit, got.field('vary')]).toEqual(['post text/plain', true, undefined])
    })

    it('may be a stream', async () => {
      const { client, send } = await site(() => ({ fields: FOR_GET, body: chunked('po', 'st') }))
      expect((await send()).text).toBe('post')
      expect([(await client.get('/page')).text, (await client.get('/page')).cacheStatus.hit]).toEqual(['post', true])
    })

    it('invalidates all the same when it is not stored', async () => {
      const answers: readonly Answer[] = [
        {},
        { fields: { 'content-location': '/page' } },
        { fields: { ...FOR_GET, 'content-location': '/other' } },
        { fields: { ...FOR_GET, 'cache-control': 'no-store' } },
        { fields: { ...FOR_GET, vary: '*' } },
        { fields: { ...FOR_GET, 'set-cookie': 'a=1' } },
        { status: 201, fields: FOR_GET },
        { status: 303, fields: { ...FOR_GET, location: '/page' } },
      ]
      let answer: Answer = {}
      const { client, send } = await site(() => ({ body: 'post', ...answer }))
      for (answer of answers) {
        await client.get('/page')
        await send()
        const got = await client.get('/page')
        expect([answer, got.text.slice(0, 3), got.cacheStatus.hit]).toEqual([answer, 'get', false])
      }
    })

    it('says why it is not stored', async () => {
      let answer: Answer = {}
      const { cached, send } = await site(() => ({ body: 'post', ...answer }))
      const whys: readonly [Answer, string][] = [
        [{}, 'content-location'],
        [{ fields: { 'content-location': '/page' } }, 'content-location'],
        [{ fields: { ...FOR_GET, 'content-location': '/other' } }, 'content-location'],
        [{ status: 201, fields: FOR_GET }, 'content-location'],
        [{ fields: { ...FOR_GET, 'cache-control': 'private' } }, 'private'],
      ]
      for (const [given, detail] of whys) {
        answer = given
        expect((await send()).cacheStatus).toMatchObject({ fwd: 'method', stored: false, detail })
      }
      expect(cached.stats().counters.refused).toEqual({ 'content-location': 4, private: 1 })
    })

    it('is not stored for all users if a request with credentials got it', async () => {
      const { client, send } = await site(({ fields }) => ({ fields: FOR_GET, body: `of ${fields.authorization}` }))
      expect((await send({ authorization: 'Basic YTpi' })).cacheStatus.detail).toBe('authorization')
      expect((await client.get('/page')).text).toBe('get 1 ')
    })

    it('is not stored for everybody when the handler knows who sent it', async () => {
      const { client, send } = await site((call) => {
        call.signIn({ id: 1 })
        return { fields: FOR_GET, body: 'of alice' }
      })
      expect((await send()).cacheStatus.detail).toBe('logged-in')
      expect((await client.get('/page')).text).toBe('get 1 ')
    })

    it('is stored under the selecting fields of the POST', async () => {
      const { client, send } = await site(({ run }) => ({
        fields: { ...FOR_GET, vary: 'X-Plan' },
        body: `post ${run}`,
      }))
      await send({ 'x-plan': 'gold' })
      expect((await client.get('/page', { 'x-plan': 'gold' })).text).toBe('post 1')
      expect((await client.get('/page', { 'x-plan': 'free' })).text).toBe('get 1 free')
      expect((await client.get('/page')).text).toBe('get 2 ')
    })

    it('is stored for its own query only', async () => {
      const { client, send } = await site(() => ({
        fields: { ...FOR_GET, 'content-location': '/page?a=1' },
        body: 'post',
      }))
      await send({}, '/page?a=1')
      expect((await client.get('/page?a=1')).text).toBe('post')
      expect((await client.get('/page')).text).toBe('get 1 ')
    })

    it('is kept out by what is invalidated while its handler runs', async () => {
      const started = gate()
      const goOn = gate()
      const { cached, client, send } = await site(async () => {
        started.open()
        await goOn.opened
        return { fields: { ...FOR_GET, 'cache-tag': 'stock' }, body: 'post' }
      })
      const sent = send()
      await started.opened
      await cached.invalidateTags(['stock'])
      goOn.open()
      expect((await sent).cacheStatus.detail).toBe('invalidated')
      expect((await client.get('/page')).text).toBe('get 1 ')
    })

    it('is kept out by another POST that succeeds during its run, and keeps out a GET that began before', async () => {
      const gates = [gate(), gate()]
      const started = [gate(), gate()]
      const { client, send } = await site(async ({ run }) => {
        started[run - 1]?.open()
        await gates[run - 1]?.opened
        return { fields: FOR_GET, body: `post ${run}` }
      })
      const slow = send()
      await started[0]?.opened
      const quick = send()
      await started[1]?.opened
      gates[1]?.open()
      await quick
      expect((await client.get('/page')).text).toBe('post 2')
      gates[0]?.open()
      expect((await slow).cacheStatus.detail).toBe('invalidated')
      expect((await client.get('/page')).text).toBe('get 1 ')
    })

    it('does not come back after a later invalidation', async () => {
      const { cached, client, send } = await site(() => ({ fields: FOR_GET, body: 'post' }))
      await send()
      await cached.invalidate('/page')
      expect((await client.get('/page')).text).toBe('get 1 ')
    })

    it('does not keep requests that ask for the same page from waiting for one another', async () => {
      const goOn = gate()
      const cached = stage.cached({ ttl: 60, methods: ['GET', 'POST'] })
      const client = await stage.serve({
        use: [cached],
        routes: [
          {
            path: '/page',
            async answer({ run }) {
              await goOn.opened
              return { body: `get ${run}` }
            },
          },
          {
            path: '/page',
            method: 'POST',
            answer: () => ({ fields: { ...FOR_GET, 'cache-control': 'no-store' }, body: 'post' }),
          },
        ],
      })
      await client.ask('/page', { method: 'POST' })
      const both = [client.get('/page'), client.get('/page')]
      setTimeout(goOn.open, 50)
      expect((await Promise.all(both)).map(({ text }) => text)).toEqual(['get 1', 'get 1'])
    })

    it('passes by with skip, and still invalidates', async () => {
      let skips = false
      const options = { ttl: 60, methods: ['GET', 'POST'] as const, skip: () => skips }
      const { client, send } = await site(() => ({ fields: FOR_GET, body: 'post' }), options)
      await client.get('/page')
      skips = true
      await send()
      skips = false
      expect((await client.get('/page')).text).toBe('get 2 ')
    })

    it('still invalidates when the key option throws', async () => {
      let fails = false
      const key = () => {
        if (fails) throw new Error('no key')
        return 'key'
      }
      const { client, send } = await site(() => ({ fields: FOR_GET, body: 'post' }), {
        ttl: 60,
        methods: ['GET', 'POST'],
        key,
      })
      await client.get('/page')
      fails = true
      expect((await send()).text).toBe('post')
      fails = false
      expect((await client.get('/page')).text).toBe('get 2 ')
    })

    it.skipIf(host.nests === false)(
      'is stored by a route whose own middleware says so, also if the one around it does not',
      async () => {
        const outer = stage.cached({ ttl: 60 })
        const client = await stage.serve({
          use: [outer],
          routes: ['GET', 'POST'].map((method) => ({
            method,
            path: '/page',
            use: [stage.cached({ ttl: 60, methods: ['GET', 'POST'], cache: outer.cache })],
            answer: () => ({ fields: method === 'POST' ? FOR_GET : {}, body: method }),
          })),
        })
        await client.get('/page')
        expect((await client.ask('/page', { method: 'POST' })).cacheStatus.stored).toBe(true)
        expect([(await client.get('/page')).text, (await client.get('/page')).cacheStatus.hit]).toEqual(['POST', true])
      },
    )

    it.skipIf(host.nests === false)(
      'is stored by a route that stores elsewhere, and invalidates both places',
      async () => {
        const outer = stage.cached({ ttl: 60, group: 'outer', methods: ['GET', 'POST'] })
        const inner = () => stage.cached({ ttl: 60, group: 'inner', methods: ['GET', 'POST'], cache: outer.cache })
        const client = await stage.serve({
          use: [outer],
          routes: ['GET', 'POST'].map((method) => ({
            method,
            path: '/page',
            use: [inner()],
            answer: () => ({ fields: method === 'POST' ? FOR_GET : {}, body: method }),
          })),
        })
        await client.get('/page')
        await client.ask('/page', { method: 'POST' })
        expect((await client.get('/page')).text).toBe('POST')
      },
    )

    it('is not stored unless the route says so', async () => {
      const { client, send } = await site(() => ({ fields: FOR_GET, body: 'post' }), { ttl: 60 })
      expect((await send()).cacheStatus).toMatchObject({ fwd: 'method', stored: false, detail: 'method' })
      expect((await client.get('/page')).text).toBe('get 1 ')
    })
  })
}
