import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

let folder = ''
let server: RedisServer
const opened: FallbackCache[] = []
const [, main] = process.argv

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'owners-'))
  for (const name of ['shop', 'blog', 'deploy']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'package.json'), JSON.stringify({ name }))
  }
  server = await RedisServer.start()
})
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(() => server.command('FLUSHALL'))
afterEach(async () => {
  process.argv[1] = main ?? ''
  await Promise.all(opened.splice(0).map((cache) => cache.close()))
})

interface Application {
  readonly cache: FallbackCache
  readonly warnings: string[]
}

/** A cache in a process of that application. */
async function start(name: string, options: FallbackCacheOptions = {}): Promise<Application> {
  process.argv[1] = join(folder, name, 'server.js')
  const warnings: string[] = []
  const logger = { info: () => {}, warn: (_details: object, message: string) => void warnings.push(message) }
  const cache = new FallbackCache({ redis: server.url, defaultTtl: 60, logger, ...options })
  opened.push(cache)
  await until('connected', () => cache.stats().connected)
  return { cache, warnings }
}

const ofOthers = ({ warnings }: Application) => warnings.filter((text) => text.includes('keyPrefix of its own'))

describe('two applications on one Redis without a keyPrefix', () => {
  it('do not serve each other what they stored under the same key', async () => {
    const [shop, blog] = [await start('shop'), await start('blog')]
    await shop.cache.set('/', 'the shop')
    expect(await blog.cache.get('/')).toBe(null)
    await blog.cache.set('/', 'the blog')
    expect([await shop.cache.get('/'), await blog.cache.get('/')]).toEqual(['the shop', 'the blog'])
    // Nor does a process that has nothing in memory.
    expect(await (await start('shop')).cache.get('/')).toBe(null)
    expect(await (await start('blog')).cache.get('/')).toBe('the blog')
    const large = 'x'.repeat(20_000)
    await shop.cache.set('large', large)
    expect(await blog.cache.get('large')).toBe(null)
    expect(await blog.cache.getOrSet('large', () => 'of the blog')).toBe('of the blog')
    expect(await shop.cache.get('large')).toBe(large)
  })

  it('say so once, with the remedy, when the second of them stores', async () => {
    const [shop, blog] = [await start('shop'), await start('blog')]
    await shop.cache.set('a', 1)
    await until('the shop is the owner', async () => (await server.command('EXISTS', '{fallback-cache}:owner')) === 1)
    await blog.cache.set('b', 1)
    await until('the blog warns', () => ofOthers(blog).length > 0)
    expect(ofOthers(blog)[0]).toContain('the application "shop"')
    await blog.cache.get('a')
    await shop.cache.get('b')
    await shop.cache.get('b')
    expect([shop, blog].map((application) => ofOthers(application).length)).toEqual([1, 1])
  })

  it('are told by a process warning where there is no logger', async () => {
    const emitted = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const shop = await start('shop')
    const blog = await start('blog', { logger: undefined })
    await shop.cache.set('/', 1)
    await blog.cache.get('/')
    expect(emitted.mock.calls.map(([text]) => String(text)).join()).toContain('keyPrefix of its own')
    emitted.mockRestore()
  })

  it('invalidate for each other: a script of another package that stores nothing reaches the entries, and hears nothing', async () => {
    const [shop, deploy] = [await start('shop'), await start('deploy')]
    await shop.cache.set('products:1', 'old', { tags: ['product'] })
    expect(await deploy.cache.invalidateTags(['product'])).toMatchObject({ durable: true })
    expect(await shop.cache.get('products:1')).toBe(null)
    await shop.cache.set('products:1', 'old')
    await deploy.cache.delete('products:1')
    expect(await shop.cache.get('products:1')).toBe(null)
    expect([shop, deploy].flatMap(ofOthers)).toEqual([])
  })

  it('share what they keep under one keyPrefix, and warn of nothing', async () => {
    const [shop, blog] = [await start('shop', { keyPrefix: 'both:' }), await start('blog', { keyPrefix: 'both:' })]
    await shop.cache.set('/', 'the same')
    expect(await blog.cache.get('/')).toBe('the same')
    await blog.cache.set('b', 1)
    expect([shop, blog].flatMap(ofOthers)).toEqual([])
  })
})

it('processes of one application share entries, wherever they were started', async () => {
  const one = await start('shop')
  await one.cache.set('/', 'the shop')
  const folderBefore = process.cwd
  process.cwd = () => '/'
  const other = await start('shop')
  process.cwd = folderBefore
  expect(await other.cache.get('/')).toBe('the shop')
  expect([one, other].flatMap(ofOthers)).toEqual([])
})
