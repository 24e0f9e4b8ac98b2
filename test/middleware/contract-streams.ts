import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
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

    it('that its client leaves is closed, and neither stored nor held', async () => {
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
        // No handler ends what its client has left.
        await expect.poll(() => stage.cachedStats().recordings).toMatchObject({ open: 0, bytes: 0 })
      }
      expect(stage.cachedStats().counters.refused.aborted).toBe(2)
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

  describe('a body that is slow to end', () => {
    for (const type of ['text/plain', 'application/jsonl', 'audio/mpeg']) {
      it(`gives each client of its own run within half a second (${type})`, async () => {
        const client = await stage.page(({ run }) => ({
          fields: { 'content-type': type },
          body: endless(`run ${run}`),
        }))
        const leaving = new AbortController()
        const began = [gate(), gate(), gate()]
        const [first, ...others] = began.map(
          ({ open }) =>
            () =>
              ask(client.port, '/page', { signal: leaving.signal, onFirstByte: open }).catch(() => {}),
        )
        const streams = [first?.()]
        await began[0]?.opened
        for (const other of others) streams.push(other())
        await expect.poll(() => stage.cachedStats().waiting).toBe(2)
        await stage.clock.advanceInTurns(500)
        await Promise.all(began.map(({ opened }) => opened))
        const late = gate()
        streams.push(ask(client.port, '/page', { signal: leaving.signal, onFirstByte: late.open }).catch(() => {}))
        await late.opened
        expect(stage.cachedStats().waiting).toBe(0)
        leaving.abort()
        await Promise.all(streams)
        expect(stage.cachedStats().waiting).toBe(0)
      })
    }

    it('runs no handler for a client that left while it waited', async () => {
      const began: number[] = []
      const client = await stage.page(({ run }) => {
        began.push(run)
        return { fields: { 'content-type': 'text/plain' }, body: endless(`run ${run}`) }
      })
      const [first, leaving, last] = [new AbortController(), new AbortController(), new AbortController()]
      const [one, other] = [gate(), gate()]
      const streams = [ask(client.port, '/page', { signal: first.signal, onFirstByte: one.open }).catch(() => {})]
      await one.opened
      const left = ask(client.port, '/page', { signal: leaving.signal }).catch(() => 'left')
      await expect.poll(() => stage.cachedStats().waiting).toBe(1)
      leaving.abort()
      expect(await left).toBe('left')
      // Answered after the server has seen that connection end.
      await client.get('/nothing')
      streams.push(ask(client.port, '/page', { signal: last.signal, onFirstByte: other.open }).catch(() => {}))
      await expect.poll(() => stage.cachedStats().waiting).toBe(2)
      await stage.clock.advanceInTurns(500)
      await other.opened
      expect(began).toEqual([1, 2])
      for (const one of [first, last]) one.abort()
      await Promise.all(streams)
      expect(stage.cachedStats().waiting).toBe(0)
    })

    it('is stored all the same', async () => {
      const last = gate()
      const client = await stage.page(({ run }) => {
        const body = new PassThrough()
        body.write(`run ${run} `)
        last.opened.then(() => body.end('last'))
        return { fields: { 'content-type': 'text/plain' }, body }
      })
      const began = gate()
      const first = ask(client.port, '/page', { onFirstByte: began.open })
      await began.opened
      const second = client.get('/page')
      await expect.poll(() => stage.cachedStats().waiting).toBe(1)
      await stage.clock.advanceInTurns(500)
      last.open()
      expect([(await first).text, (await second).text]).toEqual(['run 1 last', 'run 2 last'])
      expect((await client.get('/page')).cacheStatus.hit).toBe(true)
    })
  })

  describe('a client that does not read', () => {
    const mebibyte = Buffer.alloc(2 ** 20, 'x')

    /** Sixteen MiB in pieces, at the pace of the reader. */
    const large = () => {
      let left = 16
      return new Readable({
        read() {
          left -= 1
          this.push(left < 0 ? null : mebibyte)
        },
      })
    }

    const stall = async (port: number): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.write('GET /page HTTP/1.1\r\nHost: a\r\n\r\n')
      await once(socket, 'readable')
      return socket
    }

    it('keeps no other client waiting, and one of those runs the handler for the rest', async () => {
      let runs = 0
      const client = await stage.page(
        ({ run }) => {
          runs = run
          return { fields: { 'content-type': 'text/plain' }, body: large() }
        },
        { ttl: 60, maxBodySize: 2 ** 25 },
      )
      const socket = await stall(client.port)
      await expect.poll(() => stage.cachedStats().recordings.open).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 100))
      const others = Array.from({ length: 5 }, () => ask(client.port, '/page', { fields: { host: 'a' } }))
      await expect.poll(() => stage.cachedStats().waiting).toBe(5)
      await stage.clock.advanceInTurns(100)
      for (const got of await Promise.all(others)) expect(got.body.length).toBe(2 ** 24)
      expect(runs).toBe(2)
      socket.destroy()
    })

    it('holds no recording beyond maxHandlerTime, nor beyond maxRecordingBytes', async () => {
      const client = await stage.page(() => ({ fields: { 'content-type': 'text/plain' }, body: large() }), {
        ttl: 60,
        maxBodySize: 2 ** 25,
        maxHandlerTime: 60,
        maxRecordingBytes: 2 ** 22,
      })
      const sockets: Socket[] = []
      for (let i = 0; i < 4; i++) {
        sockets.push(await stall(client.port))
        expect(stage.cachedStats().recordings.bytes).toBeLessThanOrEqual(2 ** 22)
      }
      stage.clock.advance(61_000)
      await expect.poll(() => stage.cachedStats().recordings).toMatchObject({ open: 0, bytes: 0 })
      for (const socket of sockets) socket.destroy()
    })
  })
}
