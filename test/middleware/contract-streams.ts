import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { endless, gate, useStage } from './contract-stage.js'
import { ask } from './hosts/client.js'
import type { CacheFace, Host } from './hosts/host.js'

/** Bodies that come in pieces, late, or without end. */
export function streamsContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('a stream', () => {
    it('reaches the client at its first byte, and is stored at its last', async () => {
      const first = gate()
      const client = await stage.page(() => {
        const body = new PassThrough()
        body.write('first ')
        first.opened.then(() => body.end('last'))
        return { fields: { 'content-type': 'text/plain' }, body }
      })
      const got = await client.ask('/page', { onFirstByte: first.open })
      expect(got.text).toBe('first last')
      const hit = await client.get('/page')
      expect(hit.text).toBe('first last')
      expect(hit.cacheStatus.hit).toBe(true)
    })

    it('keeps a Content-Length that it was given', async () => {
      const client = await stage.page(() => {
        const body = new PassThrough()
        body.end('0123456789')
        return { fields: { 'content-type': 'text/plain', 'content-length': '10' }, body }
      })
      expect((await client.get('/page')).field('content-length')).toBe('10')
      expect((await client.get('/page')).field('content-length')).toBe('10')
    })

    it('of a megabyte arrives whole, stored or not', async () => {
      const megabyte = Buffer.alloc(2 ** 20, 'x')
      for (const maxBodySize of [2 ** 20, 2 ** 20 - 1]) {
        const client = await stage.page(
          () => {
            const body = new PassThrough()
            for (let i = 0; i < 16; i++) body.write(megabyte.subarray(0, 2 ** 16))
            body.end()
            return { body }
          },
          { ttl: 60, maxBodySize },
        )
        expect((await client.get('/page')).body.equals(megabyte)).toBe(true)
        const second = await client.get('/page')
        expect(second.body.equals(megabyte)).toBe(true)
        expect(second.cacheStatus.hit).toBe(maxBodySize === 2 ** 20)
      }
    })

    it('that its client leaves is closed, and not stored', async () => {
      let closed = 0
      const client = await stage.page(({ run }) => {
        const body = endless(`begin ${run}`)
        body.once('close', () => {
          closed += 1
        })
        return { fields: { 'content-type': 'text/plain' }, body }
      })
      for (const run of [1, 2]) {
        const leaving = new AbortController()
        const left = ask(client.port, '/page', { signal: leaving.signal, onFirstByte: () => leaving.abort() })
        await left.catch(() => {})
        await expect.poll(() => closed).toBe(run)
      }
    })
  })

  describe('an event stream', () => {
    it('reaches every client at once, each its own', async () => {
      const client = await stage.page(({ run }) => ({
        fields: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' },
        body: endless(`data: ${run}\n\n`),
      }))
      const leaving = new AbortController()
      const began = [gate(), gate(), gate()]
      const streams = began.map(({ open }) =>
        ask(client.port, '/page', { signal: leaving.signal, onFirstByte: open }).catch(() => {}),
      )
      await Promise.all(began.map(({ opened }) => opened))
      leaving.abort()
      await Promise.all(streams)
    })
  })

  describe('an endless body that is not said to be one', () => {
    it('keeps no other client waiting once it has outgrown maxBodySize', async () => {
      const client = await stage.page(
        ({ run }) => ({ fields: { 'content-type': 'text/plain' }, body: endless(`${run} `.repeat(50)) }),
        { ttl: 60, maxBodySize: 10 },
      )
      const leaving = new AbortController()
      const began = [gate(), gate()]
      const streams = began.map(({ open }) =>
        ask(client.port, '/page', { signal: leaving.signal, onFirstByte: open }).catch(() => {}),
      )
      await Promise.all(began.map(({ opened }) => opened))
      leaving.abort()
      await Promise.all(streams)
    })
  })
}
