import { once } from 'node:events'
import { Agent } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { expect, it, vi } from 'vitest'
import { fallbackCache } from '../../src/adapters/hono.js'
import { frameworkContract } from './contract.js'
import { ask } from './hosts/client.js'
import { hono } from './hosts/hono.js'

frameworkContract('Hono', hono)

it('works with an application that has required Hono, while the adapter has imported it', async () => {
  const { Hono } = createRequire(import.meta.url)('hono') as typeof import('hono')
  const app = new Hono()
  // The types of both copies are the same.
  app.use(fallbackCache({ ttl: 60 }) as never)
  app.get('/page', (c) => c.text('page'))
  const server = createAdaptorServer({ fetch: app.fetch })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const seen = [await ask(port, '/page', {}), await ask(port, '/page', {})]
    expect(seen.map(({ status, text, cacheStatus }) => [status, text, cacheStatus.hit])).toEqual([
      [200, 'page', false],
      [200, 'page', true],
    ])
  } finally {
    server.close()
  }
})

it('sends HEAD once, and keeps the connection', async () => {
  const { Hono } = await import('hono')
  const app = new Hono()
  const cached = fallbackCache({ ttl: 60 })
  app.use(cached as never)
  app.get('/page', (c) => c.text('page'))
  const server = createAdaptorServer({ fetch: app.fetch })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const errors = vi.spyOn(console, 'error').mockImplementation(() => {})
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  try {
    const { port } = server.address() as AddressInfo
    const seen = []
    for (const method of ['GET', 'HEAD', 'HEAD', 'GET']) seen.push(await ask(port, '/page', { method, agent }))
    expect(seen.map(({ status, text, cacheStatus }) => [status, text, cacheStatus.hit])).toEqual([
      [200, 'page', false],
      [200, '', true],
      [200, '', true],
      [200, 'page', true],
    ])
    expect(errors.mock.calls).toEqual([])
    expect(connections).toBe(1)
  } finally {
    agent.destroy()
    server.close()
    await cached.close()
  }
})

it('keeps the connection, and what one request has set apart from the next, if middleware in front sets fields afterwards', async () => {
  const { Hono } = await import('hono')
  const app = new Hono()
  const cached = fallbackCache({ ttl: 60, inputs: { ignore: ['response:x-after', 'response:x-inner'] } })
  const found: (string | null)[] = []
  app.use(async (c, next) => {
    await next()
    c.header('X-After', '1')
  })
  app.use(async (c, next) => {
    await next()
    found.push(c.res.headers.get('X-Inner'))
    c.res.headers.append('X-Inner', 'one')
  })
  app.use(cached as never)
  app.get('/page', (c) => c.text('page'))
  const server = createAdaptorServer({ fetch: app.fetch })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const errors = vi.spyOn(console, 'error').mockImplementation(() => {})
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  try {
    const { port } = server.address() as AddressInfo
    const seen = []
    for (let time = 0; time < 4; time += 1) seen.push(await ask(port, '/page', { agent }))
    expect(seen.map(({ text, cacheStatus }) => [text, cacheStatus.hit])).toEqual([
      ['page', false],
      ['page', true],
      ['page', true],
      ['page', true],
    ])
    expect(errors.mock.calls).toEqual([])
    expect(found).toEqual([null, null, null, null])
    expect(connections).toBe(1)
  } finally {
    agent.destroy()
    server.close()
    await cached.close()
  }
})

it('lets a handler pass a request with other fields to the application', async () => {
  const [{ Hono }, { methodOverride }] = [await import('hono'), await import('hono/method-override')]
  const app = new Hono()
  const cached = fallbackCache({ ttl: 60 })
  app.use(cached as never)
  app.use(methodOverride({ app, header: 'X-Method' }))
  app.delete('/page', (c) => c.text(`deleted ${c.req.header('x-method')}`))
  app.get('/asked', (c) => c.text(`asked by ${c.req.header('x-who')} ${c.req.header('x-more')}`))
  app.get('/page', (c) =>
    app.fetch(new Request(new URL('/asked', c.req.url), { headers: { 'x-who': 'page' } }), c.env as never),
  )
  const server = createAdaptorServer({ fetch: app.fetch })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const deleted = await ask(port, '/page', { method: 'POST', fields: { 'x-method': 'DELETE' } })
    expect(deleted.text).toBe('deleted undefined')
    for (let visit = 0; visit < 2; visit++) {
      const page = await ask(port, '/page', { fields: { 'x-who': 'ann', 'x-more': 'more' } })
      expect(page.text).toBe('asked by page undefined')
    }
  } finally {
    server.close()
    await cached.close()
  }
})

it('sends a Response of the handler with the fields that it has', async () => {
  const { Hono } = await import('hono')
  const app = new Hono()
  const cached = fallbackCache({ ttl: 60 })
  app.get('/:with', async (c, next) => (c.req.param('with') === 'cache' ? cached(c as never, next) : next()))
  app.get('/:with', () => new Response('page', { headers: { 'x-page': '1' } }))
  const server = createAdaptorServer({ fetch: app.fetch })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const plain = await ask(port, '/without')
    for (const path of ['/cache', '/cache'])
      expect((await ask(port, path)).field('content-type')).toBe(plain.field('content-type'))
  } finally {
    server.close()
    await cached.close()
  }
})
