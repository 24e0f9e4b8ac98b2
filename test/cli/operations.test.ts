import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisCommands } from '../../scripts/redis-commands.mjs'
import { NEEDED_COMMANDS } from '../../src/inspect/index.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { ask } from '../../src/testing/ask.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { Worker } from '../support/worker.js'
import { type Ended, ended, jsonLines, run, start } from './command-line.js'

const PREFIX = 'ops:'

let server: RedisServer
let url = ''
let cached: ReturnType<typeof fallbackCache>
let workers: readonly Worker[] = []
const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-cli-'))
const ends: (() => unknown)[] = []

/** A shop in this process, and two more processes of the same application. */
beforeAll(async () => {
  server = await RedisServer.start()
  const cache = { keyPrefix: PREFIX, redisTimeout: 5_000 }
  cached = fallbackCache({ ttl: 600, redis: server.url, group: 'shop', cacheStatus: 'debug', ...cache })
  const client = { kind: 'ioredis 6', port: server.port } as const
  workers = await Promise.all([Worker.start({ client, cache }), Worker.start({ client, cache })])
  const app = express()
  app.use('/__cache', cached.dashboard({ authorize: (req: express.Request) => req.get('x-operator') === 'me' }))
  app.use(cached)
  app.get('/products/:id', (req, res) => void res.json({ id: req.params.id, at: performance.now() }))
  app.get('/private', (_req, res) => void res.set('Cache-Control', 'private').send('for one'))
  app.get('/sitemap.xml', (_req, res) => {
    const locations = ['/products/21', '/products/22?a=1&amp;b=2', '/private'].map(
      (path) => `<url><loc>${url}${path}</loc></url>`,
    )
    res.set('Cache-Control', 'no-store').send(`<?xml version="1.0"?><urlset>${locations.join('')}</urlset>`)
  })
  const listening = createServer(app).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  ends.push(
    () => listening.closeAllConnections(),
    () => listening.close(),
    () => cached.close(),
  )
  await until('connected', async () => {
    const stats = await Promise.all(workers.map((worker) => worker.stats()))
    return cached.stats().connected && stats.every(({ connected }) => connected)
  })
})
afterAll(async () => {
  for (const end of ends) await end()
  await Promise.all(workers.map((worker) => worker.stop()))
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Confirmed {
  readonly confirmedBy: readonly string[]
}

function cli(...args: readonly string[]): Promise<Ended> {
  return run(args, { FALLBACK_CACHE_REDIS: server.url, FALLBACK_CACHE_KEY_PREFIX: PREFIX })
}

async function body(path: string): Promise<string> {
  return (await fetch(url + path)).text()
}

describe('shadow', () => {
  it('prints what a cache in shadow mode would have done, and says how to switch it on', async () => {
    const shadowed = fallbackCache({ ttl: 60, mode: 'shadow' })
    const app = express()
    app.use('/__cache', shadowed.dashboard())
    app.use(shadowed)
    app.get('/page/:id', (_req, res) => void res.send('page'))
    app.get('/own', (_req, res) => void res.set('Cache-Control', 'private').send('for one'))
    const listening = createServer(app).listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const address = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
    for (const path of ['/page/1', '/page/1', '/page/2', '/own']) await fetch(address + path)
    const { code, out } = await cli('shadow', `${address}/__cache`)
    expect(code).toBe(0)
    expect(out).toMatch(/^requests +4: 1 hits, 0 waiting, 3 misses, 0 bypassed$/m)
    expect(out).toMatch(/^ +3 +33\.3 % +33\.3 % +33\.3 % +33\.3 % +0\.\d s +\/page\/:id$/m)
    expect(out).toMatch(/^1 × private: .*\n {2}Remove private/m)
    const [told] = jsonLines((await cli('shadow', `${address}/__cache`, '--json')).out) as [{ report: object }]
    expect(told.report).toMatchObject({ all: { requests: 4, hits: 1, answers: { same: 1 } } })
    const normal = await cli('shadow', `${url}/__cache`, '--header', 'x-operator: me')
    expect([normal.code, normal.err]).toEqual([1, expect.stringContaining("mode: 'shadow'")])
    listening.closeAllConnections()
    listening.close()
    await shadowed.close()
  })
})

describe('verify --url', () => {
  it('prints which hits differed from what their handlers answered, and ends with 1 for them', async () => {
    const verified = fallbackCache({ ttl: 60, mode: 'verify', verifyShare: 1 })
    let version = 1
    const app = express()
    app.use('/__cache', verified.dashboard())
    app.use(verified)
    app.get('/page/:id', (_req, res) => void res.send(`version ${version}`))
    const listening = createServer(app).listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const address = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
    // Of a page that was stored before the code is loaded, the visitor is not known.
    await until('loaded', () => verified.verifyReport())
    const counted = async (kind: 'same' | 'stale') => {
      // At most ten runs begin in a second, so one hit may go without.
      await until(kind, async () => {
        await fetch(`${address}/page/1`)
        return (verified.verifyReport()?.answers[kind] ?? 0) > 0
      })
      return cli('verify', '--url', `${address}/__cache`)
    }
    const good = await counted('same')
    expect([good.code, good.err]).toEqual([0, ''])
    expect(good.out).toMatch(
      /^[1-9]\d* hits compared: [1-9]\d* same, 0 stale, 0 leaked, 0 suspected, 0 noise, 0 not compared$/m,
    )
    version = 2
    const bad = await counted('stale')
    expect(bad.code).toBe(1)
    expect(bad.out).toMatch(/^ +\d+ +\d+ +[1-9]\d* +0 +0 +0 +\/page\/:id$/m)
    expect(bad.out).toMatch(/^\/page\/:id: [1-9]\d* answers were stale\n {2}.*\/page\/1/m)
    const json = await cli('verify', '--url', `${address}/__cache`, '--json')
    const [told] = jsonLines(json.out) as [{ report: object }]
    expect(told.report).toMatchObject({ answers: { leaked: 0 }, routes: [{ route: '/page/:id' }] })
    const normal = await cli('verify', '--url', `${url}/__cache`, '--header', 'x-operator: me')
    expect([normal.code, normal.err]).toEqual([1, expect.stringContaining("mode: 'verify'")])
    const both = await cli('verify', '--url', `${address}/__cache`, address)
    expect([both.code, both.err]).toEqual([2, expect.stringContaining('--url takes the place of the base URLs')])
    listening.closeAllConnections()
    listening.close()
    await verified.close()
  })
})

describe('invalidate', () => {
  it('takes effect in every process, and prints a receipt with those that have applied it', async () => {
    const before = await body('/products/1')
    expect(await body('/products/1')).toBe(before)
    await workers[0]?.set('answer', 42, { ttl: 60, tags: ['numbers'] })
    const { code, out } = await cli('invalidate', '--group', 'shop', '--path', '/products/1', '--tag', 'numbers')
    expect(code).toBe(0)
    expect(out).toMatch(/^covers +prefix \(any letter case\) shop:\/products\/1:$/m)
    expect(out).toMatch(/^covers +tag numbers$/m)
    expect(out).toMatch(/^durable +yes/m)
    expect(out).toMatch(/^confirmed by +3 processes$/m)
    for (const { pid } of [process, ...workers]) expect(out).toContain(`/${pid}/`)
    expect(await body('/products/1')).not.toBe(before)
    expect(await Promise.all(workers.map((worker) => worker.get('answer')))).toEqual([null, null])
  })

  it('counts and changes nothing with --dry-run', async () => {
    const before = await body('/products/2')
    await until('it is written', async () => (await cli('keys', '--names', 'shop:/products/2')).out !== '')
    const { code, out } = await cli('invalidate', '--group', 'shop', '--path', '/products/2', '--dry-run', '--json')
    expect(code).toBe(0)
    expect(jsonLines(out)).toMatchObject([{ receipts: [{ durable: false, counted: { redis: 1, isComplete: true } }] }])
    expect(await body('/products/2')).toBe(before)
  })

  it('says it if no response has the group of the paths', async () => {
    await body('/products/6')
    await until('it is written', async () => (await cli('keys', '--names', 'shop:/products/6')).out !== '')
    const seen = async (...args: string[]) => cli('invalidate', '--path', '/products/6', ...args)
    const ends = await Promise.all([
      seen('--no-wait'),
      seen('--dry-run', '--group', 'shpo'),
      seen('--dry-run', '--group', 'shop'),
      cli('invalidate', '--tag', 'none', '--dry-run'),
    ])
    const note = (given: string) =>
      new RegExp(`^none of the \\d+ responses seen in Redis ${given}; theirs: --group shop\n$`)
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0])
    expect(ends[0]?.err).toMatch(note('is without a group'))
    expect(ends[1]?.err).toMatch(note('has the group "shpo"'))
    expect(ends.slice(2).map(({ err }) => err)).toEqual(['', ''])
  })

  it('reads a list from a file with the lines of any system', async () => {
    const file = join(folder, 'purge.txt')
    const before = [await body('/products/3'), await body('/products/4')]
    writeFileSync(
      file,
      '\ufeff# after the import\r\n/products/3\r\nhttps://shop.example/products/4?page=2\r\ntag sales\r\n\r\n',
    )
    const { code, out } = await cli('invalidate', '--group', 'shop', '--file', file, '--no-wait', '--json')
    expect(code).toBe(0)
    const covers = jsonLines(out).flatMap(({ receipts }) =>
      (receipts as { covers: string[] }[]).flatMap((one) => one.covers),
    )
    expect(covers).toEqual([
      'ishop:/products/3:',
      'ishop:/products/3/',
      'ishop:/products/4:',
      'ishop:/products/4/',
      'tsales',
    ])
    expect(await body('/products/3')).not.toBe(before[0])
    expect(await body('/products/4')).not.toBe(before[1])
  })

  it('checks with --verify that a URL is not answered from before', async () => {
    await body('/products/5')
    const { code, out } = await cli(
      'invalidate',
      '--group',
      'shop',
      '--path',
      '/products/5',
      '--verify',
      `${url}/products/5`,
      '--json',
    )
    const [{ receipts, verified } = {}] = jsonLines(out) as { receipts?: Confirmed[]; verified?: object[] }[]
    const pids = receipts?.[0]?.confirmedBy.map((name) => Number(name.split('/')[1]))
    expect(pids?.sort()).toEqual([process, ...workers].map(({ pid }) => pid).sort())
    expect(verified).toMatchObject([{ url: `${url}/products/5`, verdict: 'new' }])
    expect(code).toBe(0)
    // It does not cover that page, which stays as it is.
    await until('it has an age', async () => Number((await fetch(`${url}/products/5`)).headers.get('age') ?? 0) >= 1)
    const other = await cli('invalidate', '--tag', 'nothing', '--no-wait', '--verify', `${url}/products/5`)
    expect(other.out).toMatch(/^verify: old +http/m)
    expect(other.code).toBe(1)
  })

  it('asks before everything, and does not begin a log where none is', async () => {
    const [all, stranger, pattern, nothing, empty, dash] = await Promise.all([
      cli('invalidate', '--all'),
      cli('invalidate', '--all', '--yes', '--key-prefix', 'absent:'),
      cli('invalidate', '--path', '/products/:id'),
      cli('invalidate'),
      cli('invalidate', '--path', '/a', '--tag', ''),
      cli('invalidate', '--path', '-a'),
    ])
    expect(all).toMatchObject({ code: 2, err: expect.stringContaining('add --yes') })
    expect(stranger).toMatchObject({
      code: 1,
      err: expect.stringContaining('no application with the keyPrefix "absent:"'),
    })
    expect(await server.command('KEYS', 'absent:*')).toEqual([])
    expect(pattern).toMatchObject({ code: 2, err: expect.stringContaining('there are none') })
    expect(nothing).toMatchObject({
      code: 2,
      err: expect.stringContaining('give --path, --prefix, --tag, --file or --all'),
    })
    const starred = await cli('invalidate', '--prefix', 'shop:*', '--dry-run')
    expect(starred).toMatchObject({ code: 0, err: 'shop:* covers keys that have the star themselves\n' })
    expect(empty).toMatchObject({ code: 2, err: expect.stringContaining('--tag must not be empty') })
    expect(dash).toMatchObject({ code: 2, err: expect.stringContaining('write --path=… for a value that begins') })
    const soft = await cli('invalidate', '--all', '--yes', '--soft', '--no-wait')
    expect(soft.out).toMatch(/^covers +everything, softly$/m)
    expect(soft.code).toBe(0)
  })
})

describe('tail, stats, top and doctor', () => {
  it('print the log, an inventory, and what a dashboard tells', async () => {
    await body('/products/6')
    await cached.invalidateTags(['told'])
    await until('it is written', async () => (await cli('keys', '--names', 'shop:/products/6')).out !== '')
    const dashboard = ['--url', `${url}/__cache`, '--header', 'X-Operator: me']
    const [tail, stats, top, traffic, refused] = await Promise.all([
      cli('tail', '--once'),
      cli('stats', '--json'),
      cli('top', '-1'),
      cli('stats', ...dashboard),
      cli('stats', '--url', `${url}/__cache`),
    ])
    expect(tail.out).toMatch(/^20\S+Z {2}tag told$/m)
    expect(jsonLines(stats.out)).toMatchObject([
      { isComplete: true, classes: expect.arrayContaining([expect.objectContaining({ name: 'shop:/products' })]) },
    ])
    expect(top.out).toMatch(/ shop:\/products$/m)
    expect(traffic.out).toMatch(new RegExp(`/${process.pid} {2}connected {2}\\d+\\.\\d % hits {2}`))
    expect(traffic.out).toMatch(/ \/products\/:id$/m)
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining('does --header give what authorize() asks for?'),
    })
  })

  it('end at the first Ctrl-C where an address hangs, and do not flood one that ends each answer', async () => {
    const askedAt: number[] = []
    const hostile = createServer((req, res) => {
      if (!req.url?.endsWith('/api/events')) return
      askedAt.push(performance.now())
      res.writeHead(200, { 'content-type': 'text/event-stream' }).end()
    }).listen(0, '127.0.0.1')
    await once(hostile, 'listening')
    const address = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`
    const hangs = [
      ['stats', '--url', address],
      ['verify', '--read', '/', '--write', 'PUT /{n}', '--seconds', '60', address],
    ]
    for (const args of hangs) {
      const child = start(args)
      const [ending] = [ended(child), await once(hostile, 'request')]
      child.kill('SIGINT')
      expect(await ending).toMatchObject({ code: 130 })
    }
    const tail = start(['tail', '--url', address])
    await until('asked twice', () => askedAt.length === 2)
    tail.kill('SIGINT')
    expect((await ended(tail)).code).toBe(0)
    expect((askedAt[1] ?? 0) - (askedAt[0] ?? 0)).toBeGreaterThan(900)
    hostile.closeAllConnections()
    hostile.close()
  })

  it('examine a Redis, and find what is wrong with it', async () => {
    const dashboard = ['--url', `${url}/__cache`, '--header', 'X-Operator: me']
    const well = await cli('doctor', ...dashboard)
    expect(well.out).toMatch(new RegExp(`^ok +permissions +user default: all ${NEEDED_COMMANDS.length} commands$`, 'm'))
    expect(well.out).toMatch(/^ok +log +\d+ records, \d+ of at most 10000 marks/m)
    expect(well.out).toMatch(/^ok +process +\S+: connected, 0 invalidations/m)
    expect(well.code).toBe(0)
    await server.command(
      'ACL',
      'SETUSER',
      'weak',
      'on',
      '>weak',
      `~${PREFIX}*`,
      '-@all',
      '+acl|whoami',
      '+acl|dryrun',
      '+info',
    )
    await server.command('SET', 'o{fallback-cache}:head', 'x')
    await server.command('CONFIG', 'SET', 'maxmemory', '1gb')
    await server.command('ACL', 'SETUSER', 'blind', 'on', '>blind', '~*', '+@all', '-info')
    const [weak, blind] = await Promise.all([
      cli('doctor', '--redis', server.url.replace('://', '://weak:weak@')),
      cli('stats', '--redis', server.url.replace('://', '://blind:blind@')),
    ])
    expect(blind).toMatchObject({ code: 0, out: expect.stringMatching(/^server +unknown: INFO is not permitted/) })
    expect(weak.out).toMatch(/^error +permissions +user weak: not \+del \+eval/m)
    expect(weak.out).toMatch(/^warning +eviction +noeviction/m)
    expect(weak.out).not.toContain('weak@')
    expect(weak.code).toBe(1)
    await server.command('ACL', 'SETUSER', 'shop', 'on', '>shop', '~shop:*', '+@all')
    const elsewhere = await cli('keys', '--redis', server.url.replace('://', '://shop:shop@'), '--key-prefix', 'other:')
    expect(elsewhere.err).toContain('--key-prefix has to be that of the application')
    const alike = await cli('doctor', '--json')
    expect(jsonLines(alike.out)).toMatchObject([
      {
        isWell: false,
        findings: expect.arrayContaining([expect.objectContaining({ name: 'prefix', level: 'warning' })]),
      },
    ])
  })

  it('know the commands that the library sends', () => {
    expect(NEEDED_COMMANDS).toEqual(redisCommands())
  })
})

describe('warm and explain', () => {
  it('request the URLs of a sitemap, and say what was not stored', async () => {
    const sitemap = ['warm', '--sitemap', `${url}/sitemap.xml`, '--rate', '1000', '--json']
    expect(jsonLines((await cli(...sitemap)).out)).toMatchObject([
      { urls: 3, stored: 2, hits: 0, failed: 0, notStored: { private: 1 } },
    ])
    const again = await cli('warm', `${url}/products/21`, `${url}/nothing`)
    expect(again.out).toContain('0 stored, 1 were stored already, 1 failed')
    expect(again.code).toBe(1)
  })

  it('show the login of no URL', async () => {
    const login = url.replace('://', '://operator:secret@')
    const all = await Promise.all([
      cli('warm', `${login}/nothing`),
      cli('warm', `${login}/nothing`, '--json'),
      cli('explain', `${login}/products/21`),
      cli('explain', `${login}/products/21`, '--json'),
    ])
    for (const { out, err } of all) expect(out + err).not.toMatch(/operator|secret/)
    expect(all[0]?.out).toContain('://***@127.0.0.1')
  })

  it('say in words what the cache did', async () => {
    const [hit, secret, silent] = await Promise.all([
      cli('explain', `${url}/products/21`),
      cli('explain', `${url}/private`, '--json'),
      cli('explain', `${url}/__cache/`, '--header', 'X-Operator: me'),
    ])
    expect(hit.out).toMatch(/^cache +answered from (redis|memory), without the handler$/m)
    expect(hit.out).toMatch(/^key +shop:\/products\/21:/m)
    expect(jsonLines(secret.out)).toMatchObject([{ cacheStatus: { isHit: false, parameters: { detail: 'private' } } }])
    expect(secret.out).toContain('The response says private')
    expect(silent).toMatchObject({ code: 1, err: expect.stringContaining('has no Cache-Status of fallback-cache') })
  })
})

describe('demo', () => {
  it('serves what it says to try, and ends with Ctrl-C', async () => {
    const child = start(['demo', '--port', '0'], { FALLBACK_CACHE_REDIS: server.url })
    const [text] = child.stdout === null ? [''] : await once(child.stdout, 'data')
    const lines = Array.from(String(text).matchAll(/curl (.*) http:\/\/(\S+) /g), ([, options, address]) => ({
      method: options?.includes('POST') ? 'POST' : 'GET',
      headers: options?.includes('-b') ? { cookie: 'cart=7' } : {},
      address: `http://${address}`,
    }))
    const statuses: string[] = []
    for (const { address, ...given } of lines)
      statuses.push((await fetch(address, given)).headers.get('cache-status') ?? '')
    expect(statuses).toEqual([
      expect.stringContaining('fwd=uri-miss'),
      expect.stringContaining('hit; ttl=60; detail=memory'),
      expect.stringContaining('fwd=method'),
      expect.stringContaining('fwd=uri-miss'),
      expect.stringContaining('detail=cookie-read'),
    ])
    const page = /\S+\/__cache\//.exec(String(text))?.[0] ?? ''
    expect(await (await fetch(new URL('/', page))).text()).toContain(lines[0]?.address)
    expect((await fetch(page)).status).toBe(200)
    const foreign = await ask(new URL(page), { method: 'GET', headers: { host: 'evil.example' } })
    expect(foreign.status).toBe(403)
    const ending = once(child, 'exit')
    child.kill('SIGINT')
    expect(await ending).toEqual([0, null])
  })
})

describe('ui', () => {
  it('serves the dashboard at its own address only, with the processes that tell of themselves', async () => {
    const child = start(['ui', '--port', '0', '--json'], {
      FALLBACK_CACHE_REDIS: server.url,
      FALLBACK_CACHE_KEY_PREFIX: PREFIX,
      NODE_ENV: 'production',
    })
    const [line] = child.stdout === null ? [''] : await once(child.stdout, 'data')
    const address = String(jsonLines(String(line))[0]?.url)
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/__cache\/$/)
    const told = await (await fetch(`${address}api/overview`)).json()
    const overview = told as { readonly readOnly: boolean; readonly processes: readonly object[] }
    expect(overview.readOnly).toBe(true)
    expect(overview.processes).toContainEqual(expect.objectContaining({ pid: child.pid }))
    const foreign = await ask(new URL(`${address}api/overview`), { method: 'GET', headers: { host: 'evil.example' } })
    expect(foreign.status).toBe(403)
    const ending = once(child, 'exit')
    child.kill('SIGINT')
    expect(await ending).toEqual([0, null])
  })
})
