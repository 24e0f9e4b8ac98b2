import { once } from 'node:events'
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { fallbackCache as forFastify } from '../../src/adapters/fastify.js'
import { fallbackCache as forHono, type HonoEnv } from '../../src/adapters/hono.js'
import type { ResponseHandle } from '../../src/http/port/index.js'

/** `Cache-Status` of requests for one URL, one after the other. */
async function statuses(url: string, times: number): Promise<readonly string[]> {
  const all: string[] = []
  for (let i = 0; i < times; i++) all.push((await fetch(url)).headers.get('cache-status') ?? '')
  return all
}

/** The handle of the response of Node.js, which the types of Fastify and Hono do not know. */
const handleOf = (response: object): ResponseHandle => Reflect.get(response, 'fallbackCache')

describe('fallbackCache of Fastify', () => {
  it('has other options for one route behind the plugin, and hooks in front that set a field', async () => {
    const cached = forFastify({ ttl: 60 })
    const app = Fastify()
    let requests = 0
    app.addHook('onRequest', async (_request, reply) => void reply.header('X-Shard', `shard-${requests++}`))
    app.register(cached)
    await app.register(async (routes) => {
      routes.get('/news', cached.with({ ttl: 9 }).hooks, async () => ({ madeAt: 1 }))
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const [first, ...later] = await statuses(`${url}/news`, 3)
    expect(first).toMatch(/fwd=uri-miss; .*stored; ttl=9/)
    for (const status of later) expect(status).toMatch(/; hit; ttl=[89];/)
    expect((await fetch(`${url}/news`)).headers.get('x-shard')).toBe('shard-3')
    await app.close()
  })

  it('takes tags, a lifetime and a refusal from the response of Node.js', async () => {
    const cached = forFastify({ ttl: 60 })
    const app = Fastify()
    await app.register(cached)
    app.get('/tagged', async (_request, reply) => {
      handleOf(reply.raw).tag('one').ttl(9)
      return { madeAt: 1 }
    })
    app.get('/skipped', async (_request, reply) => {
      handleOf(reply.raw).skip('live')
      return { madeAt: 1 }
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    expect(await statuses(`${url}/tagged`, 2)).toEqual([
      expect.stringContaining('stored; ttl=9'),
      expect.stringContaining('; hit;'),
    ])
    await cached.invalidateTags(['one'])
    expect(await statuses(`${url}/tagged`, 1)).toEqual([expect.stringContaining('uri-miss')])
    expect(await statuses(`${url}/skipped`, 1)).toEqual([expect.stringContaining('detail=live')])
    await app.close()
  })
})

describe('fallbackCache of Hono', () => {
  it('takes tags and a lifetime from the response of Node.js', async () => {
    const cached = forHono({ ttl: 60 })
    const app = new Hono<HonoEnv>()
    app.use(cached)
    app.get('/tagged', (c) => {
      handleOf(c.env.outgoing).tag('one').ttl(9)
      return c.json({ madeAt: 1 })
    })
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/tagged`
    expect(await statuses(url, 2)).toEqual([
      expect.stringContaining('stored; ttl=9'),
      expect.stringContaining('; hit;'),
    ])
    await cached.invalidateTags(['one'])
    expect(await statuses(url, 1)).toEqual([expect.stringContaining('uri-miss')])
    server.close()
    await cached.close()
  })
})
