import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { broken, chunked, gate, useStage } from './contract-stage.js'
import { ask } from './hosts/client.js'
import type { CacheFace, Host } from './hosts/host.js'

/** What is stored is whole, or it is not stored. */
export function completenessContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)
  const text = { 'content-type': 'text/plain' }

  describe('a client that leaves', () => {
    /** Asks for a page, and leaves once the handler runs or the first bytes are there. */
    async function leave(port: number, when: 'at once' | 'at the first byte', running: Promise<void>): Promise<void> {
      const leaving = new AbortController()
      const onFirstByte = when === 'at the first byte' ? () => leaving.abort() : () => {}
      const left = ask(port, '/page', { signal: leaving.signal, onFirstByte }).catch(() => {})
      await running
      if (when === 'at once') leaving.abort()
      await left
    }

    it('is not the measure of a whole answer, even when the handler did not stop', async () => {
      const { opened, open } = gate()
      const running = gate()
      const client = await stage.page(async ({ run }) => {
        running.open()
        if (run === 1) await opened
        return { body: `run ${run}` }
      })
      await leave(client.port, 'at once', running.opened)
      await new Promise((resolve) => setTimeout(resolve, 50))
      open()
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('is not the measure of a whole answer, when the handler heard of it and stopped early', async () => {
      const running = gate()
      const left = gate()
      const client = await stage.page(async ({ run, closed }) => {
        if (run > 1) return { body: { json: [1, 2, 3] } }
        closed.then(left.open)
        running.open()
        await closed
        return { body: { json: [1] } }
      })
      await leave(client.port, 'at once', running.opened)
      await left.opened
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect((await client.get('/page')).text).toBe('[1,2,3]')
    })

    it('is not the measure of a stream that ends early because of it', async () => {
      const running = gate()
      let ended = 0
      const client = await stage.page(({ run, closed }) => {
        running.open()
        const body = new PassThrough()
        body.write('first, ')
        if (run > 1) body.end('last')
        else
          closed.then(() => {
            body.end()
            ended += 1
          })
        return { fields: text, body }
      })
      await leave(client.port, 'at the first byte', running.opened)
      await expect.poll(() => ended).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect((await client.get('/page')).text).toBe('first, last')
    })
  })

  describe('Cache-Status', () => {
    it('says stored of no body that is still to come', async () => {
      const client = await stage.page(() => ({ fields: text, body: chunked('0123456789', 'a') }), {
        ttl: 60,
        maxBodySize: 10,
      })
      for (const _run of [1, 2]) {
        const got = await client.get('/page')
        expect([got.text, got.cacheStatus.hit, got.cacheStatus.stored]).toEqual(['0123456789a', false, false])
      }
    })

    it('says stored of a whole body', async () => {
      const client = await stage.page(() => ({ body: 'page' }))
      expect((await client.get('/page')).cacheStatus.stored).toBe(true)
    })

    it('says stored of nothing once the cache is closed, during a run too', async () => {
      const running = gate()
      const { opened, open } = gate()
      const cached = stage.cached({ ttl: 60 })
      const answer = async () => {
        running.open()
        await opened
        return { body: 'page' }
      }
      const client = await stage.serve({ use: [cached], routes: [{ path: '/page', answer }] })
      const asked = client.get('/page')
      await running.opened
      await cached.close()
      open()
      const got = await asked
      expect([got.text, got.cacheStatus.stored]).toEqual(['page', false])
    })
  })

  describe('a conditional request on a miss', () => {
    it('is answered with 304 while the whole is stored', async () => {
      const client = await stage.page(() => ({ fields: { ...text, etag: '"one"' }, body: chunked('first, ', 'last') }))
      expect((await client.get('/page', { 'if-none-match': '"one"' })).status).toBe(304)
      const hit = await client.get('/page')
      expect([hit.status, hit.text, hit.cacheStatus.hit]).toEqual([200, 'first, last', true])
    })

    it('stores nothing of a stream that breaks', async () => {
      const client = await stage.page(({ run }) => ({
        fields: { ...text, etag: '"one"' },
        body: run === 1 ? broken('first, ') : chunked('first, ', 'last'),
      }))
      const first = new AbortController()
      const asked = ask(client.port, '/page', { fields: { 'if-none-match': '"one"' }, signal: first.signal })
      // Koa 2 leaves the client of a stream that breaks waiting, with a cache and without.
      await Promise.race([asked.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 100))])
      first.abort()
      const next = await client.get('/page')
      expect([next.status, next.text]).toEqual([200, 'first, last'])
    })
  })
}
