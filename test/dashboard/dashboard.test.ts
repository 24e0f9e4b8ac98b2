import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import express from 'express'
import Koa from 'koa'
import mount from 'koa-mount'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { buildDashboardPage } from '../../scripts/dashboard-page.mjs'
import { leastRules } from '../../scripts/redis-commands.mjs'
import { isAuthorized } from '../../src/dashboard/authorized.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaFallbackCache } from '../../src/middleware/koa.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

interface Host {
  readonly url: string
  readonly server: Server
  close(): Promise<void>
}

type Given = { readonly readOnly?: boolean; readonly authorize?: () => boolean | Promise<boolean> }

const open: Host[] = []

async function listening(listener: Parameters<typeof createServer>[1], close: () => Promise<void>): Promise<Host> {
  const server = createServer(listener as never)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await close()
    },
  }
  open.push(host)
  return host
}

const HOSTS: Readonly<Record<string, (options: Given) => Promise<Host>>> = {
  Express: (options) => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express()
    app.use('/__cache', cached.dashboard(options))
    app.use(cached)
    app.get('/time/:zone', (_req, res) => void res.send(String(Math.random())))
    return listening(app, () => cached.close())
  },
  'Express, behind the cache': (options) => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express()
    app.use(cached)
    app.use(express.json())
    app.use('/__cache', cached.dashboard(options))
    app.get('/time/:zone', (_req, res) => void res.send(String(Math.random())))
    return listening(app, () => cached.close())
  },
  Koa: (options) => {
    const cached = koaFallbackCache({ ttl: 60 })
    const app = new Koa()
    app.use(cached.dashboard(options))
    app.use(cached)
    app.use((ctx) => {
      ctx.body = String(Math.random())
    })
    return listening(app.callback(), () => cached.close())
  },
  'Koa, mounted, behind the cache': (options) => {
    const cached = koaFallbackCache({ ttl: 60 })
    const app = new Koa()
    app.use(cached)
    app.use(mount('/__cache', cached.dashboard(options)))
    app.use((ctx) => {
      ctx.body = String(Math.random())
    })
    return listening(app.callback(), () => cached.close())
  },
}

interface ToldProcess {
  readonly id: string
  readonly host: string
  readonly age: number
  readonly stats: {
    readonly connected: boolean
    readonly traffic: { readonly requests: object; readonly routes: readonly { readonly route: string }[] }
  }
  readonly samples: readonly {
    readonly at: number
    readonly memory: number
    readonly redisBuckets: Record<string, number>
  }[]
}

interface Told {
  readonly at: number
  readonly self: string
  readonly reasons?: Record<string, string>
  readonly processes: readonly ToldProcess[]
  readonly others: { areShared: boolean; areRead: boolean; unreadable: number; isFull: boolean }
}

interface Listed {
  readonly entries: readonly { readonly key: string }[]
  readonly cursor?: string
}

async function overview(url: string, query = ''): Promise<Told> {
  return (await (await fetch(`${url}/__cache/api/overview${query}`)).json()) as Told
}

const SAME_ORIGIN = { 'content-type': 'application/json', 'x-fallback-cache': 'dashboard' }

beforeAll(() => buildDashboardPage())

afterEach(async () => {
  for (const host of open.splice(0)) await host.close()
})

describe.each(Object.entries(HOSTS))('the dashboard in %s', (name, start) => {
  it('is a page that runs no inline code, loads nothing from elsewhere, and is not shown in frames', async () => {
    const { url } = await start({})
    const reply = await fetch(`${url}/__cache/`)
    expect(reply.status).toBe(200)
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(reply.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/)
    expect(reply.headers.get('content-security-policy')).not.toMatch(/unsafe/)
    expect(reply.headers.get('x-frame-options')).toBe('DENY')
    const page = await reply.text()
    expect(page).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|style=|https?:/)
    for (const [, file = ''] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const loaded = await fetch(`${url}/__cache/${file}`)
      expect([file, loaded.status]).toEqual([file, 200])
      expect(loaded.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  it('has the slash at the end of its path, with which its relative addresses work', async () => {
    const { url } = await start({})
    const reply = await fetch(`${url}/__cache`, { redirect: 'manual' })
    expect([reply.status, reply.headers.get('location')]).toEqual([308, '__cache/'])
    expect((await fetch(`${url}/__cache`)).url).toBe(`${url}/__cache/`)
  })

  it('tells what the cache has done since the last time', async () => {
    const { url } = await start({})
    for (let index = 0; index < 3; index++) await (await fetch(`${url}/time/utc`)).text()
    const told = await overview(url)
    expect(told.processes).toHaveLength(1)
    const [process] = told.processes
    expect(process?.stats.traffic.requests).toMatchObject({ hit: { memory: 2 }, miss: { origin: 1 } })
    expect(process?.samples.length).toBeGreaterThan(0)
    expect(told.reasons?.cookie).toMatch(/session/)
    const again = await overview(url, `?after=${Date.now() + 60_000}`)
    expect(again.processes[0]?.samples).toEqual([])
    expect(again.reasons).toBeUndefined()
  })

  it('is not stored by the cache', async () => {
    const { url } = await start({})
    const first = await overview(url)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const second = await overview(url)
    expect(second.at).toBeGreaterThan(first.at)
  })

  it('only shows, unless readOnly is false', async () => {
    const { url } = await start({})
    const order = { method: 'POST', headers: SAME_ORIGIN, body: JSON.stringify({ kind: 'all', value: '' }) }
    expect((await fetch(`${url}/__cache/api/invalidate`, order)).status).toBe(403)
  })

  it('invalidates a path', async () => {
    const { url } = await start({ readOnly: false })
    const ask = async () => (await fetch(`${url}/time/utc`)).text()
    const before = await ask()
    expect(await ask()).toBe(before)
    const body = JSON.stringify({ kind: 'path', value: '/time/utc' })
    const reply = await fetch(`${url}/__cache/api/invalidate`, { method: 'POST', headers: SAME_ORIGIN, body })
    expect(await reply.json()).toMatchObject({ durable: true, kind: 'path', value: '/time/utc' })
    expect(await ask()).not.toBe(before)
  })

  it('counts what an invalidation would cover, and changes nothing', async () => {
    const { url } = await start({ readOnly: false })
    const before = await (await fetch(`${url}/time/utc`)).text()
    const body = JSON.stringify({ kind: 'path', value: '/time', dryRun: true })
    const reply = await fetch(`${url}/__cache/api/invalidate`, { method: 'POST', headers: SAME_ORIGIN, body })
    expect(await reply.json()).toMatchObject({ durable: false, counted: { memory: 1, redis: 0, isComplete: true } })
    expect(await (await fetch(`${url}/time/utc`)).text()).toBe(before)
  })

  it('makes stale what is invalidated softly', async () => {
    const { url } = await start({ readOnly: false })
    const ask = async () => (await fetch(`${url}/time/utc`)).text()
    const before = await ask()
    const body = JSON.stringify({ kind: 'all', value: '', soft: true })
    const reply = await fetch(`${url}/__cache/api/invalidate`, { method: 'POST', headers: SAME_ORIGIN, body })
    expect(await reply.json()).toMatchObject({ durable: true, covers: ['sa'] })
    expect(await ask()).toBe(before)
    await until('the new page', async () => (await ask()) !== before, { timeout: 5000, every: 20 })
  })

  it.each([
    ['without the field of the page', { 'content-type': 'application/json' }],
    ['as a form could send it', { ...SAME_ORIGIN, 'content-type': 'text/plain' }],
    ['from another site', { ...SAME_ORIGIN, 'sec-fetch-site': 'cross-site' }],
    ['from another subdomain', { ...SAME_ORIGIN, 'sec-fetch-site': 'same-site' }],
    ['from another origin', { ...SAME_ORIGIN, origin: 'http://evil.example' }],
    ['from an opaque origin', { ...SAME_ORIGIN, origin: 'null' }],
  ])('changes nothing for a request %s', async (_case, headers) => {
    const { url } = await start({ readOnly: false })
    const before = await (await fetch(`${url}/time/utc`)).text()
    const body = JSON.stringify({ kind: 'all', value: '' })
    const reply = await fetch(`${url}/__cache/api/invalidate`, { method: 'POST', headers, body })
    expect(reply.status).toBe(403)
    expect(await (await fetch(`${url}/time/utc`)).text()).toBe(before)
  })

  it.each([
    ['null'],
    ['[]'],
    ['{"kind":"path"}'],
    ['{"kind":"path","value":""}'],
    ['{"kind":"all"}'],
    ['{"kind":"all","value":"","soft":1}'],
    ['{'],
  ])('answers an order that is none, %s, with an error', async (body) => {
    const { url } = await start({ readOnly: false })
    const reply = await fetch(`${url}/__cache/api/invalidate`, { method: 'POST', headers: SAME_ORIGIN, body })
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(reply.status).toBeLessThan(501)
  })

  it.each(['*', 'page', '/products/:id'])('answers an order with the path %s with 400, and says why', async (value) => {
    const { url } = await start({ readOnly: false })
    const body = JSON.stringify({ kind: 'path', value })
    const reply = await fetch(`${url}/__cache/api/invalidate`, { method: 'POST', headers: SAME_ORIGIN, body })
    expect([reply.status, await reply.json()]).toEqual([400, { error: expect.stringContaining('path') }])
  })

  it('answers an order that is too long with 413, however it announces its length', async () => {
    const { url } = await start({ readOnly: false })
    const order = new Blob([JSON.stringify({ kind: 'none', value: 'x'.repeat(90_000) })])
    // Where middleware in front has parsed the order, it has its own limit.
    const status = name === 'Express, behind the cache' ? 400 : 413
    for (const body of [order, order.stream()]) {
      const of = { method: 'POST', headers: SAME_ORIGIN, body, duplex: 'half' } as RequestInit
      const reply = await fetch(`${url}/__cache/api/invalidate`, of)
      expect([reply.status, await reply.json()]).toEqual([
        status,
        { error: expect.stringMatching(/bytes$|invalidation/) },
      ])
    }
  })

  it.each([
    ['false', () => false],
    ['a promise of false', () => Promise.resolve(false)],
    ['anything but true', () => 'yes' as never],
    ['an error', () => Promise.reject(new Error('no'))],
  ])('shows nothing when authorize gives %s', async (_case, authorize) => {
    const { url } = await start({ authorize })
    for (const path of ['', 'page.js', 'api/overview', 'api/events']) {
      expect([path, (await fetch(`${url}/__cache/${path}`)).status]).toEqual([path, 403])
    }
  })

  it('sends events as they happen, and stops listening when the page has gone', async () => {
    const { url } = await start({})
    const leaving = new AbortController()
    const reply = await fetch(`${url}/__cache/api/events`, { signal: leaving.signal })
    expect(reply.headers.get('content-type')).toMatch(/^text\/event-stream/)
    await (await fetch(`${url}/time/utc`)).text()
    const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    while (!seen.includes('"store"')) seen += (await reader?.read())?.value ?? ''
    expect(seen).toMatch(/"name":"miss"/)
    leaving.abort()
    await reader?.cancel().catch(() => {})
  })

  it('lets eight pages watch, and tells the ninth why it may not', async () => {
    const { url } = await start({})
    const leaving = new AbortController()
    const watch = () => fetch(`${url}/__cache/api/events`, { signal: leaving.signal })
    const replies = await Promise.all(Array.from({ length: 8 }, watch))
    expect(replies.every(({ status }) => status === 200)).toBe(true)
    const ninth = await watch()
    expect([ninth.status, await ninth.json()]).toMatchObject([503, { error: expect.stringMatching(/too many pages/) }])
    leaving.abort()
  })

  it('lets the server close while a page watches', async () => {
    const { server, url } = await start({})
    const reply = await fetch(`${url}/__cache/api/events`)
    const closed = new Promise((resolve) => server.close(resolve))
    expect(await reply.text()).toMatch(/^retry/)
    server.closeIdleConnections()
    await closed
  })

  it('ends the answer to HEAD, also where GET has events without end', async () => {
    const { url } = await start({})
    const watch = () => fetch(`${url}/__cache/api/events`, { method: 'HEAD', signal: AbortSignal.timeout(5000) })
    for (let at = 0; at < 9; at += 1) expect((await watch()).status).toBe(200)
    const get = await fetch(`${url}/__cache/api/events`, { signal: AbortSignal.timeout(5000) })
    expect(get.status).toBe(200)
    await get.body?.cancel()
  })

  it('takes no list for a kind, and invalidates nothing then', async () => {
    const { url } = await start({ readOnly: false })
    const body = JSON.stringify({ kind: ['path'], value: '/time/utc' })
    const got = await fetch(`${url}/__cache/api/invalidate`, { method: 'POST', headers: SAME_ORIGIN, body })
    expect(got.status).toBe(400)
  })

  it('lists entries, the largest first of all, and shows one of them with its fields', async () => {
    const { url } = await start({})
    for (const zone of ['utc', 'cet']) await (await fetch(`${url}/time/${zone}`)).text()
    const ask = async <Told>(path: string) => (await (await fetch(`${url}/__cache/api/${path}`)).json()) as Told
    const { entries, cursor } = await ask<Listed>('entries?prefix=/time/u')
    expect(entries).toMatchObject([{ kind: 'response', state: 'fresh', status: 200, tier: 'memory' }])
    expect(cursor).toBeUndefined()
    expect(await ask('largest')).toHaveLength(2)
    const [entry, ...others] = await ask<object[]>(`entry?${new URLSearchParams({ key: entries[0]?.key ?? '' })}`)
    expect(others).toEqual([])
    expect(entry).toMatchObject({ response: { method: 'GET', path: '/time/utc', selectedBy: [] } })
    expect(entry).not.toHaveProperty('body')
    expect(await ask('entry?key=none')).toEqual([])
  })

  it.each(['entries?cursor=x', 'entries?cursor=m99999999999', 'entry', 'entry?key=', 'entriesx'])(
    'answers a wrong question for entries, %s, with an error',
    async (path) => {
      const { url } = await start({})
      const reply = await fetch(`${url}/__cache/api/${path}`)
      expect([400, 404]).toContain(reply.status)
      expect(await reply.json()).toEqual({ error: expect.any(String) })
    },
  )

  it('answers at localhost and at addresses only, without authorize', async () => {
    const { server, url } = await start({})
    const { port } = server.address() as AddressInfo
    const names = {
      'localhost:1': 200,
      '[::1]': 200,
      'a.localhost': 200,
      'evil.example': 403,
      '127.0.0.1.a.example': 403,
    }
    for (const [host, status] of Object.entries(names)) {
      const got = await new Promise((resolve) => {
        const options = { port, host: '127.0.0.1', path: '/__cache/api/overview', headers: { host } }
        const asked = request(options, (reply) => {
          reply.resume()
          resolve(reply.statusCode)
        })
        asked.end()
      })
      expect([host, got]).toEqual([host, status])
    }
    expect((await fetch(`${url}/__cache/`)).status).toBe(200)
  })

  it('knows no other addresses', async () => {
    const { url } = await start({})
    for (const path of ['x', 'api', 'page.js/', '..%2fpackage.json', '__proto__', 'constructor']) {
      expect([path, (await fetch(`${url}/__cache/${path}`)).status]).toEqual([path, 404])
    }
    expect((await fetch(`${url}/__cache/`, { method: 'DELETE' })).status).toBe(405)
  })
})

describe.skipIf(process.env.SKIP_REDIS === '1')('the dashboard of several processes', () => {
  let redis: RedisServer
  let one: Host
  let two: Host
  const caches: ReturnType<typeof fallbackCache>[] = []
  const board = 'shop:{fallback-cache}:processes'

  /** An application as another process would have it: nothing but Redis is shared. */
  async function process(): Promise<Host> {
    const url = `redis://shop:secret@127.0.0.1:${redis.port}`
    const cached = fallbackCache({ ttl: 60, redis: url, keyPrefix: 'shop:', redisTimeout: 1000 })
    caches.push(cached)
    const app = express()
    app.use('/__cache', cached.dashboard({ readOnly: false }))
    app.use(cached)
    app.get('/time/:zone', (_req, res) => void res.send(String(Math.random())))
    const host = await listening(app, () => cached.close())
    await until('connected', () => cached.stats().connected)
    return host
  }
  const ofOther = async (asked: Host) => {
    const { processes, self } = await overview(asked.url)
    return processes.find(({ id }) => id !== self)
  }

  beforeAll(async () => {
    redis = await RedisServer.start()
    // No more than what docs/redis.md says.
    await redis.command('ACL', 'SETUSER', 'shop', ...leastRules('shop:').split(' '))
    one = await process()
    two = await process()
    open.splice(0)
    await (await fetch(`${two.url}/time/utc`)).text()
    await until('the other is seen', async () => (await ofOther(one)) !== undefined, { every: 200 })
  }, 30_000)
  afterAll(async () => {
    await one.close()
    await two.close()
    await redis.stop()
  })

  it('shows each of them, with the routes and the history that it tells of itself', async () => {
    const other = await until('its request', async () => {
      const told = await ofOther(one)
      return told?.stats.traffic.routes.length === 0 ? undefined : told
    })
    expect(other).toMatchObject({ stats: { connected: true, traffic: { requests: { miss: { origin: 1 } } } } })
    expect(other?.stats.traffic.routes.map(({ route }) => route)).toEqual(['/time/:zone'])
    expect(other?.samples.length).toBeGreaterThan(0)
    expect(Object.values(other?.samples.at(-1)?.redisBuckets ?? {}).length).toBeGreaterThan(0)
    expect(other?.age).toBeLessThan(10)
    const { others, processes } = await overview(one.url, `?after=${Date.now() + 60_000}`)
    expect(others).toEqual({ areShared: true, areRead: true, unreadable: 0, isFull: false })
    expect(processes.flatMap(({ samples }) => samples)).toEqual([])
    expect(caches[0]?.stats().processes).toMatchObject({ processes: expect.any(Number), bytes: expect.any(Number) })
    expect(caches[0]?.stats().counters.redisErrors).toEqual({})
  })

  it('names those that have confirmed an invalidation as it names them in its list', async () => {
    const { processes } = await overview(one.url)
    const body = JSON.stringify({ kind: 'all', value: '' })
    const reply = await fetch(`${one.url}/__cache/api/invalidate`, { method: 'POST', headers: SAME_ORIGIN, body })
    const { confirmedBy } = (await reply.json()) as { confirmedBy: string[] }
    expect([...confirmedBy].sort()).toEqual(processes.map(({ id }) => id).sort())
  })

  it('shows nothing that a stranger has written but what has the right form', async () => {
    const known = await redis.command('ZRANGEBYSCORE', board, '-inf', '+inf', 'WITHSCORES')
    const [, at] = known as string[]
    const text = String(await redis.command('GET', `${board}:of:${(known as string[])[0]}`))
    const told = JSON.parse(text) as Record<string, unknown>
    const strange: Record<string, string> = {
      '<img src=x onerror=alert(1)>/1/a': text,
      'text/1/a': 'hello',
      'null/1/a': 'null',
      'form/1/a': JSON.stringify({ ...told, form: 3 }),
      'host/1/a': JSON.stringify({ ...told, host: { toString: 'x' } }),
      'stats/1/a': JSON.stringify({ ...told, stats: { ...(told.stats as object), traffic: { routes: 'x' } } }),
      'samples/1/a': JSON.stringify({ ...told, samples: [[1, 2, 'x']] }),
      'huge/1/a': JSON.stringify({ ...told, pid: 1e300 }),
      'long/1/a': JSON.stringify({ ...told, more: 'x'.repeat(40_000) }),
      'proto/1/a': text.replace('"form"', '"__proto__":{"evil":1},"form"'),
    }
    for (const [id, said] of Object.entries(strange)) {
      await redis.command('ZADD', board, String(at), id)
      await redis.command('SET', `${board}:of:${id}`, said, 'PX', '20000')
    }
    await redis.command('ZADD', board, String(at), 'list/1/a', String(at), 'gone/1/a', String(at), 'y'.repeat(5000))
    await redis.command('LPUSH', `${board}:of:list/1/a`, 'x')
    const { processes, others } = await until('a new reading', async () => {
      const read = await overview(one.url)
      return read.others.unreadable > 0 ? read : undefined
    })
    expect(others.unreadable).toBe(10)
    const names = processes.map(({ id }) => id)
    expect(names).toHaveLength(4)
    expect(names).toEqual(expect.arrayContaining(['<img src=x onerror=alert(1)>/1/a', 'proto/1/a']))
    expect(JSON.stringify(processes)).not.toMatch(/evil/)
    await redis.command('DEL', board)
    await until('the other again', () => ofOther(one), { every: 200 })
  }, 20_000)

  it('shows the moments of a process whose clock is wrong by its own clock', async () => {
    const { at, told } = await until('a report', async () => {
      const id = String((await ofOther(one))?.id)
      const score = await redis.command('ZSCORE', board, id)
      const text = await redis.command('GET', `${board}:of:${id}`)
      return score === null || text === null ? undefined : { at: String(score), told: JSON.parse(String(text)) }
    })
    const hour = 3_600_000
    const samples = [...told.samples, [1, ...told.samples[0].slice(1)]].map(([moment, ...rest]) => [
      moment - hour,
      ...rest,
    ])
    const late = { ...told, at: told.at - hour, startedAt: told.startedAt - hour, samples }
    await redis.command('ZADD', board, at, 'late/1/a')
    await redis.command('SET', `${board}:of:late/1/a`, JSON.stringify(late), 'PX', '20000')
    const shown = await until('it is read', async () =>
      (await overview(one.url)).processes.find((process) => process.id === 'late/1/a'),
    )
    // The sample of another time is left out.
    expect(shown.samples).toHaveLength(told.samples.length)
    for (const sample of shown.samples) expect(Math.abs(Date.now() - sample.at)).toBeLessThan(120_000)
  })

  it('puts right a board of another type, and one that is full of names in the future', async () => {
    await redis.command('DEL', board)
    await redis.command('SET', board, 'x')
    const sizes = () => redis.command('ZCARD', board).then(Number)
    await until('a board again', async () => (await overview(one.url)) && (await sizes()) === 2, { every: 200 })
    await redis.command('DEL', board)
    for (let at = 0; at < 64; at++) await redis.command('ZADD', board, '9007199254740991', `future/${at}/a`)
    await until('both again', async () => (await overview(one.url)) && (await sizes()) === 2, { every: 200 })
    await until('the other again', () => ofOther(one), { every: 200 })
  }, 20_000)

  it('takes no more processes than a board has room for', async () => {
    const now = Date.now()
    for (let at = 0; at < 100; at++) await redis.command('ZADD', board, String(now), `many/${at}/a`)
    const read = await until('full', async () => {
      const told = await overview(one.url)
      return told.others.isFull ? told : undefined
    })
    expect(read.others.unreadable).toBeLessThanOrEqual(64)
    await redis.command('DEL', board)
  })

  it('shows its own figures while Redis cannot be used', async () => {
    redis.freeze()
    try {
      const alone = await until('alone', async () => {
        const told = await overview(one.url)
        return told.others.areRead ? undefined : told
      })
      expect(alone.processes.map(({ id }) => id)).toEqual([alone.self])
    } finally {
      redis.resume()
    }
    await until('both', () => ofOther(one), { every: 200, timeout: 20_000 })
  }, 40_000)
})

describe('the entries of the dashboard', () => {
  it('have no values of cookies and of other secrets', async () => {
    const cached = fallbackCache({ preset: 'proxy', ttl: 60 })
    const app = express()
    app.use('/__cache', cached.dashboard())
    app.use(cached)
    app.get('/page', (_req, res) => {
      res.cookie('theme', 'value-of-the-cookie').set({ 'X-Auth-Token': 'value-of-the-token', 'X-Shown': 'shown' })
      res.send('the body')
    })
    const { url } = await listening(app, () => cached.close())
    await (await fetch(`${url}/page`, { headers: { cookie: 'a=value-sent' } })).text()
    const { entries } = (await (await fetch(`${url}/__cache/api/entries`)).json()) as Listed
    const said = await (
      await fetch(`${url}/__cache/api/entry?${new URLSearchParams({ key: entries[0]?.key ?? '' })}`)
    ).text()
    expect(said).toMatch(/shown.*characters, not shown/is)
    expect(said).not.toMatch(/value-|the body/)
  })
})

describe('authorize', () => {
  it('is refused if it does not settle', async () => {
    vi.useFakeTimers()
    const decided = isAuthorized(() => new Promise<boolean>(() => {}), {})
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await decided).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
    expect(await isAuthorized(() => true, {})).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })
})

describe('the page', () => {
  it('stays small', () => {
    const sizes = ['page.js', 'format.js', 'page.css'].map(
      (name) => gzipSync(readFileSync(`dist/dashboard/page/${name}`)).length,
    )
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(40_000)
  })
})

describe('the path of the dashboard', () => {
  const koa = (make: (cached: ReturnType<typeof koaFallbackCache>) => Koa): Promise<Host> => {
    const cached = koaFallbackCache({ ttl: 60 })
    return listening(make(cached).callback(), () => cached.close())
  }
  const ABOVE: Readonly<Record<string, () => Promise<Host>>> = {
    'an application of Express in an application': () => {
      const cached = fallbackCache({ ttl: 60 })
      const inner = express().use('/__cache', cached.dashboard())
      return listening(express().use('/admin', inner), () => cached.close())
    },
    'Express, whose URLs middleware has shortened': () => {
      const cached = fallbackCache({ ttl: 60 })
      const app = express().use((req, _res, next) => {
        req.url = req.url.replace('/admin', '')
        next()
      })
      return listening(app.use('/__cache', cached.dashboard()), () => cached.close())
    },
    'an application of Koa in an application': () =>
      koa((cached) => new Koa().use(mount('/admin', new Koa().use(mount('/__cache', cached.dashboard()))))),
    'Koa, whose URLs middleware has shortened': () =>
      koa((cached) =>
        new Koa()
          .use((ctx, next) => {
            ctx.url = ctx.url.replace('/admin', '')
            return next()
          })
          .use(cached.dashboard()),
      ),
  }

  it.each(Object.entries(ABOVE))('is found in %s', async (_name, start) => {
    const { url } = await start()
    expect((await fetch(`${url}/admin/__cache?a=b`)).url).toBe(`${url}/admin/__cache/`)
    expect((await fetch(`${url}/admin/__cache/page.js`)).headers.get('content-type')).toMatch(/javascript/)
    const told = (await (await fetch(`${url}/admin/__cache/api/overview?after=1`)).json()) as Told
    expect(told.processes).toHaveLength(1)
    expect(told.reasons).toBeUndefined()
  })

  it('is no path that something else was mounted at, which has passed the request on', async () => {
    const { url } = await koa((cached) =>
      new Koa()
        .use(mount('/files', (_ctx, next) => next()))
        .use(cached.dashboard())
        .use((ctx) => {
          ctx.body = 'of the application'
        }),
    )
    for (const path of ['/files', '/files/', '/files/api/overview'])
      expect([path, await (await fetch(url + path)).text()]).toEqual([path, 'of the application'])
  })
})

describe('the options of the dashboard', () => {
  const cached = fallbackCache()

  it.each([
    [{ authorise: () => true }, /unknown option "authorise" of dashboard; did you mean "authorize"/],
    [{ authorize: true }, /authorize must be a function, got true/],
    [{ readOnly: 'no' }, /readOnly must be true or false, got "no"/],
    [{ environment: 7 }, /environment must be a string, got 7/],
  ])('say what is wrong with %j', (options, message) => {
    expect(() => cached.dashboard(options as never)).toThrow(message)
  })

  it.each(['__cache', '/', '/__cache/', '/a?b', 7])('take no path %j in Koa', (path) => {
    expect(() => koaFallbackCache().dashboard({ path: path as never })).toThrow(/path must begin with a slash/)
  })

  it.each(['production', 'Production ', 'prod', 'prod-eu'])('need authorize, or public, if NODE_ENV is %j', (name) => {
    const before = process.env.NODE_ENV
    process.env.NODE_ENV = name
    try {
      expect(() => cached.dashboard()).toThrow(/in production, give authorize/)
      expect(() => koaFallbackCache().dashboard()).toThrow(/in production, give authorize/)
      expect(() => cached.dashboard({ public: true })).not.toThrow()
      expect(() => cached.dashboard({ authorize: () => false })).not.toThrow()
    } finally {
      process.env.NODE_ENV = before
    }
  })
})
