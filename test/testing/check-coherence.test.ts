import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundled } from '../../scripts/bundled.mjs'
import { type Answer, ask } from '../../src/testing/ask.js'
import { checkCoherence } from '../../src/testing/check-coherence.js'
import { RedisServer } from '../support/redis-server.js'
import { Shop } from './shop.js'

const HOST = { host: 'shop.test' }

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server?.stop())

describe('checkCoherence', () => {
  it('finds no stale answer of two servers that share a Redis', async () => {
    const report = await checkShop(server.url)
    expect(report).toMatchObject({ stale: 0, failed: 0, failures: [], worst: undefined })
    expect(report.reads).toBeGreaterThan(50)
    expect(report.writes).toBeGreaterThan(3)
  })

  it('finds the stale answers of two caches that do not know of each other', async () => {
    const report = await checkShop(undefined)
    const [writer, other] = Object.values(report.byUrl)
    expect(writer?.stale).toBe(0)
    expect(other?.stale).toBeGreaterThan(0)
    expect(report.stale).toBe(other?.stale)
    expect(report.byAge.reduce((sum, { count }) => sum + count, 0)).toBe(report.stale)
    expect(report.worst).toMatchObject({ got: 0, expected: expect.any(Number), age: expect.any(Number) })
    expect(report.worst?.age).toBeGreaterThan(0)
  })

  it('says by how much an answer was late, and lets it be as late as it may', async () => {
    let changed = 0
    let changedAt = 0
    // Knows of a change 60 ms later.
    const read = () => (performance.now() - changedAt > 60 ? changed : changed - 1)
    const write = () => {
      changedAt = performance.now()
      return ++changed
    }
    const options = { urls: ['it'], read, write, seconds: 0.6, concurrency: 1, readEvery: 5, writeEvery: 100 }
    const { stale, byAge, worst } = await checkCoherence(options)
    expect(stale).toBeGreaterThan(10)
    expect(byAge.slice(0, 2).reduce((sum, { count }) => sum + count, 0)).toBe(stale)
    expect(worst?.age).toBeLessThanOrEqual(61)
    expect((await checkCoherence({ ...options, grace: 65 })).stale).toBe(0)
  })

  it('expects nothing of a write that was not acknowledged', async () => {
    const report = await checkCoherence({ urls: ['it'], read: () => 0, write: () => undefined, seconds: 0.1 })
    expect(report).toMatchObject({ writes: 0, stale: 0, failed: 0 })
  })

  it('counts what fails, and what is no version', async () => {
    const read = () => {
      throw new Error('no answer')
    }
    const report = await checkCoherence({ urls: ['it'], read, write: () => Number.NaN, seconds: 0.1 })
    expect(report).toMatchObject({ reads: 0, writes: 0 })
    expect(report.failures).toContain('read of it: no answer')
    expect(report.failures).toContain('write: a version must be a number, got null')
    expect(report.failed).toBeGreaterThanOrEqual(report.failures.length)
  })

  it('refuses versions that do not grow', async () => {
    const options = { urls: ['it'], read: () => 1, write: () => 1, seconds: 0.1, writeEvery: 10 }
    expect((await checkCoherence(options)).failures[0]).toBe(
      'write: versions must grow with every write, got 1 after 1',
    )
  })

  it.each([
    [{ urls: [] }, 'urls must name at least one process, got none'],
    [{ seconds: 0 }, 'seconds must be above 0, got 0'],
    [{ concurrency: 1.5 }, 'concurrency must be an integer from 1, got 1.5'],
  ])('refuses %j', async (wrong, message) => {
    await expect(checkCoherence({ urls: ['it'], read: () => 1, write: () => 1, ...wrong })).rejects.toThrow(message)
  })
})

describe('fallback-cache verify', () => {
  const headers = ['--header', 'Host: shop.test']

  it('finds nothing to complain about, with the number in the answer to the write', async () => {
    const { code, stdout } = await command(server.url, [
      ...['--read', '/stock', '--write', 'PUT /stock', '--property', 'stock.version', ...headers],
    ])
    expect(stdout).toMatch(/^\d+ reads, [1-9]\d* writes, 0 stale\n {2}http.* 0 stale\n {2}http.* 0 stale\n$/)
    expect(code).toBe(0)
  })

  it('finds stale answers, with a number of its own and one in a field', async () => {
    const { code, stdout } = await command(undefined, [
      ...['--read', '/stock', '--write', 'PUT /stock/{n}', '--field', 'x-version', ...headers],
    ])
    expect(stdout).toMatch(/writes, [1-9]\d* stale\n/)
    expect(stdout).toMatch(/worst: http\S+ gave \d+ for \d+, \d+ ms late/)
    expect(code).toBe(1)
  })

  it('does not call a check good that could tell nothing, and says where it has looked', async () => {
    const { code, stdout } = await command(undefined, ['--read', '/nothing', '--write', 'PUT /nothing'])
    expect(stdout).toContain('answered with 404')
    expect(code).toBe(1)
    const other = await command(undefined, ['--read', '/stock', '--write', 'PUT /stock/{n}', ...headers])
    expect(other.stdout).toContain('there is no number in the property version of the JSON; --property or --field')
    expect(other.code).toBe(1)
  })

  it('explains itself when it is misused', async () => {
    const { code, stderr } = await command(undefined, ['--read', '/stock'])
    expect(stderr).toMatch(
      /^fallback-cache verify: --write must be .*\nfallback-cache verify --help says how it is used\n$/,
    )
    expect(code).toBe(2)
  })

  it.each([
    [['--read', '/stock', '--write', 'PUT /stock', 'localhost:3000'], 'a base URL must be like http://10.0.0.1:3000'],
    [
      ['--read', '/stock', '--write', 'PUT /stock', '--second', '1'],
      'there is no option --second; is --seconds meant?',
    ],
    [
      ['--read', '/stock', '--write', 'PUT /stock', '--seconds', 'ten'],
      '--seconds must be a number from 0.1 to 86400, got ten',
    ],
  ])('says in one line what is wrong with %j', async (args, message) => {
    const { code, stderr } = await command(undefined, args)
    expect(stderr.startsWith(`fallback-cache verify: ${message}`)).toBe(true)
    expect(stderr.trimEnd().split('\n')).toHaveLength(2)
    expect(code).toBe(2)
  })

  it('tells how it is used', async () => {
    const { code, stdout } = await command(undefined, ['--help'])
    expect(stdout).toMatch(/\n {2}fallback-cache verify --read <path>/)
    expect(code).toBe(0)
  })

  async function command(redis: string | undefined, args: readonly string[]): Promise<Ended> {
    const shop = await Shop.open(redis)
    const all = [bundled('src/cli/main.ts'), 'verify', '--seconds', '1', '--write-every', '50', ...args]
    return await promisify(execFile)(process.execPath, [...all, ...shop.urls])
      .then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        (ended: Ended) => ended,
      )
      .finally(() => shop.close())
  }
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function checkShop(redis: string | undefined) {
  const shop = await Shop.open(redis)
  const versionOf = ({ text }: Answer): number => (JSON.parse(text) as { stock: { version: number } }).stock.version
  const stock = (url: string | undefined, method: string) =>
    ask(new URL('/stock', url), { method, headers: HOST }).then(versionOf)
  return await checkCoherence({
    urls: shop.urls,
    read: (url) => stock(url, 'GET'),
    write: () => stock(shop.urls[0], 'PUT'),
    seconds: 1.5,
    writeEvery: 50,
  }).finally(() => shop.close())
}
