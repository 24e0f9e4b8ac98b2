import { describe, expect, it } from 'vitest'
import { type Client, gate, useStage } from './contract-stage.js'
import type { CacheFace, CommonOptions, Host, Route } from './hosts/host.js'

/** What takes stored responses out of use, and what it leaves alone. */
export function invalidationContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  const shop = async (options: CommonOptions = { ttl: 60 }, more: readonly Route<M>[] = []) => {
    const cached = stage.cached(options)
    const answer: Route<M>['answer'] = ({ path, run }) => ({ body: `${path} ${run}` })
    const client = await stage.serve({
      use: [cached],
      routes: [
        ...more,
        { path: '/products', answer },
        { path: '/products/:id', answer },
        { path: '/products/:id/reviews', answer },
        { path: '/products-old', answer },
        { path: '/', answer },
      ],
    })
    return { cached, client }
  }

  const isHit = async (client: Client, path: string, fields?: Record<string, string>) =>
    (await client.get(path, fields)).cacheStatus.hit

  describe('invalidate(path)', () => {
    it('reaches the path, all its queries, and what lies below it', async () => {
      const { cached, client } = await shop()
      const reached = ['/products/1', '/products/1?a=1', '/products/1/reviews', '/products/1/reviews?page=2']
      const others = ['/products', '/products/2', '/products/12', '/']
      for (const path of [...reached, ...others]) await client.get(path)
      await expect(cached.invalidate('/products/1')).resolves.toMatchObject({ durable: true })
      for (const path of others) expect([path, await isHit(client, path)]).toEqual([path, true])
      for (const path of reached) expect([path, await isHit(client, path)]).toEqual([path, false])
    })

    for (const id of [
      '42',
      'red shoe',
      'caf\u00e9',
      'c#',
      'what?',
      'a/b',
      'AC/DC 50%',
      '50%25off',
      'rgb%41',
      '%2F',
      '#',
      '\u00fc',
      'a+b',
      'x:y',
    ]) {
      it(`reaches the page of the id ${JSON.stringify(id)}, as text, as a template and by segments`, async () => {
        const { cached, client } = await shop()
        const path = `/products/${encodeURIComponent(id)}`
        for (const invalidate of [
          () => cached.invalidate(`/products/${id}`),
          () => cached.invalidate`/products/${id}`,
          () => cached.invalidate(['products', id]),
          () => cached.invalidate(path),
        ]) {
          await client.get(path)
          await client.get('/products/other')
          expect(await isHit(client, path)).toBe(true)
          await invalidate()
          expect(await isHit(client, path)).toBe(false)
          // As text, `/products/#` is also the list, and all products below it.
          if (id !== '#') expect(await isHit(client, '/products/other')).toBe(true)
        }
      })
    }

    it('refuses what names no path', async () => {
      const cached = stage.cached({ ttl: 60 })
      await expect(cached.invalidate(undefined as never)).rejects.toThrow('invalidate(undefined)')
      await expect(cached.invalidate('/products/:id')).rejects.toThrow('pattern')
      await expect(cached.invalidate(['products', undefined as never])).rejects.toThrow('segment 2')
    })

    it('takes children and not siblings', async () => {
      const { cached, client } = await shop()
      for (const path of ['/products', '/products/2', '/products-old']) await client.get(path)
      await cached.invalidate('/products')
      expect(await isHit(client, '/products-old')).toBe(true)
      expect(await isHit(client, '/products')).toBe(false)
      expect(await isHit(client, '/products/2')).toBe(false)
    })

    it('reaches every spelling that the router takes for the same path', async () => {
      const { cached, client } = await shop()
      const spellings = ['/products', '/Products', '/products/', '/PRODUCTS/', '/products?a=1']
      for (const path of spellings) expect([path, (await client.get(path)).status]).toEqual([path, 200])
      await cached.invalidate('/products')
      for (const path of spellings) expect([path, await isHit(client, path)]).toEqual([path, false])
      await cached.invalidate('/Products/?x=1#top')
      expect(await isHit(client, '/products')).toBe(false)
    })

    it('reaches all variants, and all hosts', async () => {
      const cached = stage.cached({ ttl: 60 })
      const client = await stage.serve({
        use: [cached],
        routes: [{ path: '/page', answer: ({ run }) => ({ fields: { vary: 'X-Plan' }, body: `run ${run}` }) }],
      })
      const requests = [{ 'x-plan': 'a' }, { 'x-plan': 'b' }, { 'x-plan': 'a', host: 'b.example' }]
      for (const fields of requests) await client.get('/page', fields)
      for (const fields of requests) expect(await isHit(client, '/page', fields)).toBe(true)
      await cached.invalidate('/page')
      for (const fields of requests) expect(await isHit(client, '/page', fields)).toBe(false)
    })

    it('without a path takes everything, and only its group', async () => {
      const { cached, client } = await shop()
      for (const path of ['/', '/products', '/products/1']) await client.get(path)
      await cached.invalidate()
      for (const path of ['/', '/products', '/products/1']) expect(await isHit(client, path)).toBe(false)
    })

    it('works the same in a group', async () => {
      const { cached, client } = await shop({ ttl: 60, group: 'catalog' })
      for (const path of ['/products/1', '/products/1?a=1', '/products-old']) await client.get(path)
      await cached.invalidate('/products')
      expect(await isHit(client, '/products-old')).toBe(true)
      expect(await isHit(client, '/products/1')).toBe(false)
      expect(await isHit(client, '/products/1?a=1')).toBe(false)
    })

    it('called by a handler holds before that handler has answered', async () => {
      const cached = stage.cached({ ttl: 60 })
      let price = 1
      const client = await stage.serve({
        use: [cached],
        routes: [
          { path: '/price', answer: () => ({ body: `${price}` }) },
          {
            path: '/reprice',
            method: 'POST',
            answer: async () => {
              price += 1
              await cached.invalidate('/price')
              return { body: 'done' }
            },
          },
        ],
      })
      expect((await client.get('/price')).text).toBe('1')
      await client.ask('/reprice', { method: 'POST' })
      expect((await client.get('/price')).text).toBe('2')
    })

    it('keeps out what a handler that started earlier answers later', async () => {
      const { opened, open } = gate()
      const started = gate()
      const cached = stage.cached({ ttl: 60 })
      const client = await stage.serve({
        use: [cached],
        routes: [
          {
            path: '/page',
            answer: async ({ run }) => {
              started.open()
              if (run === 1) await opened
              return { body: `run ${run}` }
            },
          },
        ],
      })
      const slow = client.get('/page')
      await started.opened
      await cached.invalidate('/page')
      expect((await client.get('/page')).text).toBe('run 2')
      open()
      expect((await slow).text).toBe('run 1')
      expect((await client.get('/page')).text).toBe('run 2')
    })
  })

  describe('invalidateTags', () => {
    const tagged = async (route: Partial<Route<M>>, options: CommonOptions = { ttl: 60 }) => {
      const cached = stage.cached(options)
      const client = await stage.serve({
        use: [cached],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: `run ${run}` }), ...route }],
      })
      return { cached, client }
    }
    const check = async ({ cached, client }: { cached: M; client: Client }) => {
      await client.get('/page')
      await cached.invalidateTags(['other'])
      expect((await client.get('/page')).text).toBe('run 1')
      await cached.invalidateTags(['other', 'p:1'])
      expect((await client.get('/page')).text).toBe('run 2')
    }

    it('reaches what Cache-Tag named', async () => {
      await check(await tagged({ answer: ({ run }) => ({ fields: { 'cache-tag': 'shop, p:1' }, body: `run ${run}` }) }))
    })

    it('reaches what Cache-Groups named (RFC 9875)', async () => {
      await check(
        await tagged({ answer: ({ run }) => ({ fields: { 'cache-groups': '"shop", "p:1"' }, body: `run ${run}` }) }),
      )
    })

    it('reaches what the tags option named, a list or a function', async () => {
      await check(await tagged({}, { ttl: 60, tags: ['shop', 'p:1'] }))
      await check(await tagged({}, { ttl: 60, tags: () => ['p:1'] }))
    })

    it('reaches what the handler named', async () => {
      await check(
        await tagged({
          answer: ({ run, handle }) => {
            handle.tag('shop').tag('p:1', 'p:2')
            return { body: `run ${run}` }
          },
        }),
      )
    })
  })

  describe('the handle', () => {
    it('gives a lifetime, stronger than that of the option', async () => {
      const client = await stage.page(({ run, handle }) => {
        handle.ttl(5)
        return { body: `run ${run}` }
      })
      expect((await client.get('/page')).cacheStatus.stored).toBe(true)
      expect((await client.get('/page')).cacheStatus.ttl).toBe(5)
      stage.clock.advance(6_000)
      expect((await client.get('/page')).text).toBe('run 2')
    })
  })

  describe('an unsafe method', () => {
    const statuses = { 200: false, 201: false, 303: false, 404: true, 500: true }
    for (const [status, stays] of Object.entries(statuses)) {
      it(`that answers ${status} ${stays ? 'leaves' : 'invalidates'} what is stored for its URI (RFC 9111, section 4.4)`, async () => {
        const { client } = await shop({ ttl: 60 }, [
          { path: '/products/:id', method: 'PUT', answer: () => ({ status: Number(status), body: 'put' }) },
        ])
        await client.get('/products/1')
        await client.get('/products/2')
        const put = await client.ask('/products/1', { method: 'PUT', body: 'x' })
        expect(put.status).toBe(Number(status))
        expect(put.text).toBe('put')
        expect(await isHit(client, '/products/1')).toBe(stays)
        expect(await isHit(client, '/products/2')).toBe(true)
      })
    }

    it('invalidates Location and Content-Location of the same origin', async () => {
      const { client } = await shop({ ttl: 60 }, [
        {
          path: '/products',
          method: 'POST',
          answer: () => ({
            status: 201,
            fields: { location: '/products/7', 'content-location': '/products/8' },
            body: 'made',
          }),
        },
      ])
      for (const path of ['/products', '/products/7', '/products/8', '/products/9']) await client.get(path)
      await client.ask('/products', { method: 'POST', body: 'x' })
      expect(await isHit(client, '/products')).toBe(false)
      expect(await isHit(client, '/products/7')).toBe(false)
      expect(await isHit(client, '/products/8')).toBe(false)
      expect(await isHit(client, '/products/9')).toBe(true)
    })

    it('invalidates its URI with its query and without one, for all users, keys and variants, and no other', async () => {
      let asker: { user?: string; plan?: string; lang?: string } = {}
      const cached = stage.cached({ ttl: 60, key: () => asker.plan ?? '', user: () => asker.user })
      const client = await stage.serve({
        use: [cached],
        routes: [
          { path: '/page', answer: ({ run }) => ({ fields: { vary: 'X-Lang' }, body: `run ${run}` }) },
          { path: '/page', method: 'POST', answer: () => ({ body: 'posted' }) },
        ],
      })
      const askers: readonly (typeof asker)[] = [{}, { user: 'alice', plan: 'a' }, { user: 'bob' }, { lang: 'de' }]
      const hits = async () => {
        const hit: string[] = []
        for (const path of ['/page', '/page?a=1', '/page?b=1']) {
          for (asker of askers) {
            const fields: Record<string, string> = asker.lang === undefined ? {} : { 'x-lang': asker.lang }
            if (await isHit(client, path, fields)) hit.push(`${path} ${askers.indexOf(asker)}`)
          }
        }
        return hit
      }
      await hits()
      expect(await hits()).toHaveLength(12)
      asker = { user: 'alice' }
      await client.ask('/page?a=1', { method: 'POST' })
      expect(await hits()).toEqual(['/page?b=1 0', '/page?b=1 1', '/page?b=1 2', '/page?b=1 3'])
      await client.ask('/page?b=1', { method: 'POST', fields: { host: 'other.example' } })
      expect(await hits()).toHaveLength(12)
    })

    it('keeps out what a handler that started earlier answers later', async () => {
      const { opened, open } = gate()
      const started = gate()
      const { client } = await shop({ ttl: 60 }, [
        {
          path: '/slow',
          answer: async ({ run }) => {
            started.open()
            if (run === 1) await opened
            return { body: `run ${run}` }
          },
        },
        { path: '/slow', method: 'POST', answer: () => ({ status: 303, fields: { location: '/slow' } }) },
      ])
      const slow = client.get('/slow')
      await started.opened
      await client.ask('/slow', { method: 'POST' })
      open()
      expect((await slow).text).toBe('run 1')
      expect((await client.get('/slow')).text).toBe('run 2')
    })

    it('takes nothing else out of use, however many there are and for any URLs', async () => {
      const { cached, client } = await shop({ ttl: 60 }, [
        { path: '/:any', method: 'POST', answer: () => ({ status: 303, fields: { location: '/login' } }) },
      ])
      const kept = ['/products', '/products/1', '/products/2?a=1', '/']
      for (const path of kept) await client.get(path)
      for (let at = 0; at < 100; at += 10) {
        const urls = Array.from({ length: 10 }, (_, index) => `/u${at + index}?${'x'.repeat((at * 291) % 8_000)}`)
        await Promise.all(urls.map((url) => client.ask(url, { method: 'POST', fields: { host: `h${at}.example` } })))
      }
      for (const path of kept) expect([path, await isHit(client, path)]).toEqual([path, true])
      const { mirror, retired, counters } = cached.stats()
      expect(mirror).toMatchObject({ records: 0, folds: 0 })
      expect(counters.invalidations).toBe(0)
      expect(retired.records).toBeLessThanOrEqual(retired.maxRecords)
    })

    it('reaches the handler each time, its body and fields untouched', async () => {
      const { client } = await shop({ ttl: 60 }, [
        {
          path: '/products/:id',
          method: 'DELETE',
          answer: ({ run }) => ({ status: 202, fields: { 'x-run': `${run}` }, body: `deleted ${run}` }),
        },
      ])
      for (const run of [1, 2]) {
        const got = await client.ask('/products/1', { method: 'DELETE' })
        expect([got.status, got.field('x-run'), got.text]).toEqual([202, `${run}`, `deleted ${run}`])
        expect(got.cacheStatus.fwd).toBe('method')
      }
    })
  })
}
