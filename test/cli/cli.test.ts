import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMMON_OPTIONS } from '../../src/cli/arguments.js'
import { COMMANDS } from '../../src/cli/commands.js'
import { commandHelp } from '../../src/cli/help.js'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { type Ended, ended, jsonLines, run, start } from './command-line.js'

const PREFIX = 'cli:'
const SECRET = 'secret-of-a-client'
const ESC = String.fromCharCode(27)

let server: RedisServer
let url = ''
let cached: ReturnType<typeof fallbackCache>
const ends: (() => unknown)[] = []

beforeAll(async () => {
  server = await RedisServer.start()
  cached = fallbackCache({ ttl: 600, redis: server.url, redisTimeout: 5_000, keyPrefix: PREFIX, group: 'shop' })
  const app = express()
  app.use(cached)
  app.get('/products/:id', (req, res) => {
    res.set('Vary', 'Accept-Language').set('X-Made', `yes`).json({ id: req.params.id })
  })
  app.get('/private', (_req, res) => void res.set('Cache-Control', 'private').send('for one'))
  const listening = createServer(app).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  ends.push(
    () => listening.close(),
    () => listening.closeAllConnections(),
    () => cached.close(),
  )
  await until('connected', () => cached.stats().connected)
  for (const id of [1, 2, 3]) {
    await (await fetch(`${url}/products/${id}`, { headers: { 'Accept-Language': SECRET } })).text()
  }
  await until('all are written', async () => (await keys()).length === 6)
})
afterAll(async () => {
  for (const end of ends) await end()
  await server?.stop()
})

/** Runs a command on the server, for the prefix of the application. */
function cli(...args: readonly string[]): Promise<Ended> {
  return run(args, { FALLBACK_CACHE_REDIS: server.url, FALLBACK_CACHE_KEY_PREFIX: PREFIX })
}

async function keys(...args: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { out } = await cli('keys', '--json', '--limit', '0', ...args)
  return jsonLines(out).slice(0, -1)
}

describe('the command line', () => {
  it('names its commands, and the one that was meant', async () => {
    const [nothing, help, wrong] = await Promise.all([run([]), run(['--help']), run(['kyes'])])
    expect(help).toMatchObject({ code: 0, err: '' })
    expect(help.out).toMatch(/^ {2}keys +list the entries/m)
    expect((await run(['keys', '--help'])).out).toContain('fallback-cache keys [prefix] [options]')
    expect(nothing).toMatchObject({ code: 2, out: help.out })
    expect(wrong).toMatchObject({ code: 2, out: '' })
    expect(wrong.err).toContain('there is no command "kyes"; is "keys" meant?')
    expect((await run(['purge'])).err).toContain('there is no command "purge"; is "invalidate" meant?')
  })

  it('says which Redis it needs, and shows the login of none', async () => {
    const [none, dead, invalid, stray, spaced] = await Promise.all([
      run(['keys']),
      run(['keys', '--redis', 'redis://user:pass%2Fword@127.0.0.1:1']),
      run(['keys', '--redis', 'redis://user:pa#ss@127.0.0.1:1']),
      run(['get', '--json', 'a', '--redis', 'redis://user:pass@127.0.0.1:1'], { NODE_DEBUG: 'x' }),
      run(['keys'], { REDIS_URL: 'redis://user:secret word@127.0.0.1:1' }),
    ])
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining('set FALLBACK_CACHE_REDIS or REDIS_URL') })
    expect(dead).toMatchObject({
      code: 1,
      err: expect.stringContaining('redis://***@127.0.0.1:1: connect ECONNREFUSED'),
    })
    expect(invalid).toMatchObject({ code: 2, err: expect.stringContaining('percent-encoded') })
    for (const { out, err } of [dead, invalid, stray, spaced])
      expect(out + err).not.toMatch(/pass%|pa#ss|:pass@|secret|word@/)
    expect(spaced?.err).toMatch(/Redis|redis/)
  })

  it('does not wait for a Redis that hangs', async () => {
    const frozen = await RedisServer.start()
    frozen.freeze()
    const began = performance.now()
    const { code, err } = await run(['keys', '--redis', frozen.url, '--timeout', '0.5'])
    expect(code).toBe(1)
    expect(err).toMatch(/redis:\/\/127\.0\.0\.1:\d+: it did not (answer|accept a connection) within 0\.5 s/)
    expect(performance.now() - began).toBeLessThan(10_000)
    frozen.resume()
    await frozen.stop()
  })

  it('ends quietly if its reader stops reading', async () => {
    const child = start(['keys', '--limit', '0'], {
      FALLBACK_CACHE_REDIS: server.url,
      FALLBACK_CACHE_KEY_PREFIX: PREFIX,
    })
    child.stdout?.destroy()
    const [code] = await once(child, 'exit')
    expect(code).toBe(0)
  })
})

describe('keys', () => {
  it('lists entries with state, kind, status and key', async () => {
    const { code, out, err } = await cli('keys')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^fresh +response +200 .* shop:\/products\/1:[0-9a-f]{12}:[0-9a-f]{12}$/m)
    expect(out).toMatch(/^fresh +variants .* shop:\/products\/1:[0-9a-f]{12}$/m)
    expect(await keys('--kind', 'response', 'shop:/products/2')).toMatchObject([
      { status: 200, route: '/products/:id' },
    ])
  })

  it('goes on at a cursor, and ends with all of them', async () => {
    const cache = new FallbackCache({
      redis: server.url,
      redisTimeout: 5_000,
      maxInFlight: 2_000,
      keyPrefix: 'cli-many:',
    })
    ends.push(() => cache.close())
    await until('connected', () => cache.stats().connected)
    const names = Array.from({ length: 600 }, (_, at) => `item-${at}`)
    await Promise.all(names.map((name) => cache.set(name, 1)))
    const found = new Set<unknown>()
    let cursor: unknown
    let pages = 0
    do {
      const go = typeof cursor === 'string' ? ['--cursor', cursor] : []
      const lines = jsonLines((await cli('keys', '--json', '--limit', '250', '--key-prefix', 'cli-many:', ...go)).out)
      for (const { key } of lines.slice(0, -1)) found.add(key)
      cursor = lines.at(-1)?.cursor
      pages++
    } while (typeof cursor === 'string')
    expect(found).toEqual(new Set(names))
    expect(pages).toBeGreaterThanOrEqual(2)
    expect(pages).toBeLessThanOrEqual(3)
    expect(await cli('keys', '--cursor', 'r1; FLUSHALL')).toMatchObject({ code: 2 })
  })

  it('never prints what a terminal would act on', async () => {
    await server.command('SET', `hostile:a${ESC}[2J${String.fromCharCode(0x9b)}31m\u202eb`, 'x')
    const [table, json] = await Promise.all([
      cli('keys', '--key-prefix', 'hostile:'),
      cli('keys', '--json', '--key-prefix', 'hostile:'),
    ])
    expect(table.out).toContain('a\\u{1b}[2J\\u{9b}31m\\u{202e}b')
    expect(table.out + json.out).not.toMatch(/[^\P{C}\n]/u)
    expect(jsonLines(json.out)[0]?.key).toBe(`a${ESC}[2J${String.fromCharCode(0x9b)}31m\u202eb`)
  })

  it('goes on after Ctrl-C where it was interrupted', async () => {
    const child = start(['keys', '--names', '--limit', '0', '--key-prefix', 'cli-many:'], {
      FALLBACK_CACHE_REDIS: server.url,
    })
    const ending = ended(child)
    child.stdout?.once('data', () => child.kill('SIGINT'))
    const { code, err } = await ending
    // It may have been done just before.
    if (code === 0) expect(err).toBe('')
    else expect({ code, err }).toEqual({ code: 130, err: expect.stringMatching(/there is more: --cursor r0-\d+\n$/) })
  })

  it('says what is no log, what is no Redis, and what is a part of one', async () => {
    await server.command('RPUSH', 'odd:{fallback-cache}:head', 'x')
    const [odd, http] = await Promise.all([
      cli('keys', '--key-prefix', 'odd:'),
      run(['keys', '--redis', url.replace('http:', 'redis:'), '--timeout', '2']),
    ])
    const node = await RedisServer.start({ args: ['--cluster-enabled', 'yes'] })
    const part = await run(['keys', '--redis', node.url])
    await node.stop()
    expect(part).toMatchObject({ code: 2, out: '', err: expect.stringContaining('add --cluster') })
    expect(odd).toMatchObject({ code: 1, err: expect.stringContaining('odd:{fallback-cache}:head is no log') })
    expect(http).toMatchObject({ code: 1, err: expect.stringContaining('Is that the address of a Redis?') })
  })

  it('names the prefixes that it has met instead', async () => {
    const { code, err } = await cli('keys', '--key-prefix', '', '--limit', '0')
    expect(code).toBe(0)
    expect(err).toMatch(/--key-prefix .*cli:/)
  })
})

describe('get', () => {
  it('shows an entry with the names of its inputs and no value of one, and its body if asked', async () => {
    const [entry] = await keys('--kind', 'response', 'shop:/products/1')
    const key = String(entry?.key)
    const [shown, json, body] = await Promise.all([
      cli('get', key),
      cli('get', key, '--json'),
      cli('get', key, '--body'),
    ])
    expect(shown.out).toContain(`request           GET ${url}/products/1\n`)
    expect(shown.out).toContain('selected by       accept-language (values are not shown)')
    expect(shown.out).toContain('field             X-Made: yes')
    expect(jsonLines(json.out)).toMatchObject([{ response: { path: '/products/1', selectedBy: ['accept-language'] } }])
    expect(shown.out + json.out).not.toContain(SECRET)
    expect(body).toEqual({ code: 0, out: '{"id":"1"}', err: '' })
  })

  it('ends with 1 if there is none', async () => {
    expect(await cli('get', 'nothing')).toEqual({
      code: 1,
      out: '',
      err: 'fallback-cache get: nothing is stored under nothing; fallback-cache keys lists the keys, as they are written here\n',
    })
  })
})

describe('docs/cli.md', () => {
  const page = readFileSync('docs/cli.md', 'utf8')

  it.each(Object.keys(COMMANDS))('explains %s, whose help has examples', async (name) => {
    expect(page).toMatch(new RegExp(`^\\| \\[\`${name}\``, 'm'))
    const { summary = '', load } = COMMANDS[name] ?? {}
    const command = await load?.()
    const help = command === undefined ? '' : commandHelp(name, summary, command)
    expect(help).toContain(`\nEXAMPLES\n  # `)
    expect(help.split('\n').filter((line) => line.length > 110)).toEqual([])
    expect(command?.examples.every(([, line]) => line.startsWith(name))).toBe(true)
  })

  it('names only commands and options that exist', async () => {
    const lines = page.match(/npx fallback-cache .*$/gm) ?? []
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) {
      const [, name = ''] = /^npx fallback-cache (\w+)/.exec(line) ?? []
      if (name === '') continue
      const command = await COMMANDS[name]?.load()
      const known = Object.keys({ ...command?.options, ...COMMON_OPTIONS })
      const named = Array.from(line.matchAll(/ --([a-z-]+)/g), ([, option = '']) => option)
      expect(named.filter((option) => !known.includes(option))).toEqual([])
    }
  })
})
