import { createServer } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { until } from '../support/until.js'
import { ExampleProcess } from './example-process.js'

const running: ExampleProcess[] = []

const withoutRedis = process.env.SKIP_REDIS === '1'

afterEach(async () => {
  await Promise.all(running.splice(0).map((demo) => demo.stop()))
})

describe.skipIf(withoutRedis)('npm start', () => {
  it('answers in Koa from what Express stored, and the reverse', async () => {
    const { get } = await startDemo()
    expect(await get('/cities?q=reykjvik', 'express')).toMatchObject({ source: 'handler', computedBy: 'express' })
    expect(await get('/cities?q=reykjvik', 'koa')).toMatchObject({ source: 'redis', computedBy: 'express' })
    expect(await get('/countries/IS', 'koa')).toMatchObject({ source: 'handler', computedBy: 'koa' })
    expect(await get('/countries/IS', 'express')).toMatchObject({ source: 'redis', computedBy: 'koa' })
  })

  it.each(['express', 'koa'])('shows what was written through %s in the next read of both apps', async (through) => {
    const { get, write } = await startDemo()
    const paths = ['/cities/3413829', '/countries/IS', '/countries', '/cities?q=reykjvik']
    for (const path of paths) {
      await get(path, 'express')
      expect((await get(path, 'koa')).source).toBe('redis')
    }
    expect(await write('/cities/3413829', through, 140_000)).toMatchObject({ population: 140_000, durable: true })
    for (const path of paths) {
      const [express, koa] = [await get(path, 'express'), await get(path, 'koa')]
      expect(express.source, path).toBe('handler')
      expect(JSON.stringify(express.body), path).toContain('"revision":1')
      expect(koa, path).toMatchObject({ source: 'redis', body: express.body })
    }
  })

  it('keeps answering while its Redis is frozen, killed and restarted, and uses it again', async () => {
    const { get, act, demo } = await startDemo()
    await get('/countries/IS')
    const runs = (await act('freeze')).handlerRuns
    const answerMany = async () => {
      for (let i = 0; i < 30; i++) expect(await get('/countries/IS')).toMatchObject({ status: 200, source: 'memory' })
    }
    await answerMany()
    expect((await act('kill')).redis).toBe('down')
    await answerMany()
    expect((await act('restart')).handlerRuns).toBe(runs)
    await until('an answer from Redis', async () => (await get('/countries/IS')).source === 'redis')
    expect(demo.output).toContain('SIGSTOP')
  })

  it('keeps a write made while Redis is frozen once it goes on', async () => {
    const { get, act, write } = await startDemo()
    await get('/cities/3413829')
    await act('freeze')
    expect(await write('/cities/3413829', 'koa', 150_000)).toMatchObject({ durable: false })
    await act('resume')
    const read = async () => (await get('/cities/3413829')).body
    for (let i = 0; i < 50; i++) expect(await read()).toMatchObject({ population: 150_000 })
    await until('an answer from Redis', async () => (await get('/countries/FR')).source === 'redis')
    expect(await read()).toMatchObject({ population: 150_000 })
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('ends at %s and takes its redis-server along', async (signal) => {
    const { demo } = await startDemo()
    const pid = Number(/pid (\d+)/.exec(demo.output)?.[1])
    expect(() => process.kill(pid, 0)).not.toThrow()
    expect((await demo.stop(signal)).code).toBe(0)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})

describe('npm start without a redis-server', () => {
  it('runs in memory without a redis-server, and says so', async () => {
    const { get, write, act, demo } = await startDemo({ SKIP_REDIS: '1' })
    expect(demo.output).toContain('no redis-server found, so everything runs in memory')
    expect((await get('/countries/IS', 'express')).source).toBe('handler')
    expect((await get('/countries/IS', 'koa')).source).toBe('memory')
    await write('/cities/3413829', 'express', 140_000)
    expect((await get('/countries/IS', 'koa')).source).toBe('handler')
    expect((await act('kill')).redis).toBe('none')
  })

  it('listens on PORT', async () => {
    const port = await freePort()
    const { origin } = await startDemo({ PORT: String(port), SKIP_REDIS: '1' })
    expect(new URL(origin).port).toBe(String(port))
  })

  it('says so and ends when PORT is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    const port = await until('a port', () => (taken.address() as { port?: number } | null)?.port)
    const { code, output } = await new ExampleProcess('demo/server.ts', { PORT: String(port) }).ended()
    taken.close()
    expect(code).toBe(1)
    expect(output).toContain(`cannot listen on port ${port}`)
  })

  it('serves a page that loads nothing from elsewhere, under a strict Content-Security-Policy', async () => {
    const { origin } = await startDemo({ SKIP_REDIS: '1' })
    const page = await fetch(origin)
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/)
    const parts = [...(await page.text()).matchAll(/<(?:script|link)[^>]* (?:src|href)="([^"]+)"/g)].map(
      (match) => match[1],
    )
    expect(parts).toEqual(['/demo/page.css', '/demo/page.js'])
    for (const part of [...parts, '/demo/timeline.js']) expect((await fetch(origin + part)).status).toBe(200)
  })

  it('sends every answer to the page as it happens', async () => {
    const { origin, get } = await startDemo({ SKIP_REDIS: '1' })
    const events = await fetch(`${origin}/demo/events`)
    await get('/countries/IS', 'koa')
    let text = ''
    for await (const chunk of events.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (text.includes('"url":"/countries/IS"')) break
    }
    expect(text).toContain('"app":"koa","computedBy":"koa","source":"handler","status":200')
  })

  it('takes orders from its own page only', async () => {
    const { origin } = await startDemo({ SKIP_REDIS: '1' })
    expect((await fetch(`${origin}/demo/do/clear`, { method: 'POST' })).status).toBe(403)
    expect((await fetch(`${origin}/demo/do/clear`, { headers: { 'X-Demo': '1' } })).status).toBe(403)
  })
})

async function startDemo(env: NodeJS.ProcessEnv = {}) {
  // A long deadline: what is looked at here is not how fast the machine is.
  const demo = new ExampleProcess('demo/server.ts', { PORT: '0', DEMO_LOAD: 'off', DEMO_TIMEOUT: '300', ...env })
  running.push(demo)
  const origin = await demo.printed(/http:\/\/\S+/)
  await demo.printed(/Redis: .*\n/)
  return {
    demo,
    origin,
    get: async (path: string, app?: string) => {
      const answer = await fetch(origin + path, app === undefined ? {} : { headers: { 'x-app': app } })
      const cacheStatus = answer.headers.get('cache-status') ?? ''
      return {
        status: answer.status,
        body: (await answer.json()) as unknown,
        computedBy: answer.headers.get('x-computed-by'),
        source: /; hit/.test(cacheStatus) ? /detail=(\w+)/.exec(cacheStatus)?.[1] : 'handler',
      }
    },
    write: async (path: string, app: string, population: number) => {
      const headers = { 'x-app': app, 'content-type': 'application/json' }
      const answer = await fetch(origin + path, { method: 'PATCH', headers, body: JSON.stringify({ population }) })
      return (await answer.json()) as { population: number; durable: boolean }
    },
    act: async (name: string) => {
      const answer = await fetch(`${origin}/demo/do/${name}`, { method: 'POST', headers: { 'X-Demo': '1' } })
      return (await answer.json()) as { redis: string; handlerRuns: number }
    },
  }
}
