import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { compress } from 'hono/compress'
import { etag } from 'hono/etag'
import { poweredBy } from 'hono/powered-by'
import { secureHeaders } from 'hono/secure-headers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fallbackCache, type HonoCacheOptions, type HonoEnv } from '../../src/adapters/hono.js'
import { ask, type Got } from '../middleware/hosts/client.js'

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

type App = Hono<HonoEnv>

async function start(
  mount: (app: App) => void,
  options: HonoCacheOptions = {},
): Promise<(fields?: Readonly<Record<string, string>>) => Promise<Got>> {
  const app: App = new Hono()
  mount(app)
  const cached = fallbackCache({ ttl: 60, ...options })
  open.push(() => cached.close())
  app.use(cached)
  app.get('/', (c) => c.text('a page that is long enough to be compressed'.repeat(50)))
  const server = createServer(getRequestListener(app.fetch as never))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => new Promise((resolve) => server.close(resolve)))
  const { port } = server.address() as AddressInfo
  return (fields = {}) => ask(port, '/', { fields })
}

const GREETINGS: Readonly<Record<string, string>> = { a: 'Ann Smith', b: 'Bob Jones' }

/** Middleware that finds out who is asking before `next()`, and says so in a field after it. */
const greeting = (greet: (c: Context, who: string) => void) => (app: App) =>
  app.use(async (c, next) => {
    const who = GREETINGS[c.req.header('x-kind') ?? '']
    await next()
    if (who !== undefined) greet(c, who)
  })

describe('Hono: a field that middleware in front sets after next()', () => {
  it.each<[string, (c: Context, who: string) => void]>([
    ['c.header', (c, who) => c.header('x-greeting', who)],
    ['c.header with append', (c, who) => c.header('x-greeting', who, { append: true })],
    ['c.res.headers.set', (c, who) => c.res.headers.set('x-greeting', who)],
    ['c.res.headers.append', (c, who) => c.res.headers.append('X-Greeting', who)],
    [
      'another response',
      (c, who) => {
        c.res = new Response(c.res.body, { headers: { 'x-greeting': who } })
      },
    ],
  ])('reaches no other visitor, set by %s', async (_way, greet) => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const get = await start(greeting(greet))
    for (const kind of ['a', 'b', 'a', 'none', 'b']) {
      const greeted = (await get({ 'x-kind': kind })).field('x-greeting')
      expect([undefined, GREETINGS[kind]], kind).toContain(greeted)
    }
    expect(warnings.mock.calls.filter(([text]) => String(text).includes('response:x-greeting'))).toHaveLength(1)
  })

  it('is said in Cache-Status, and keeps the response from being stored', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const get = await start(greeting((c, who) => c.header('x-greeting', who)))
    for (let i = 0; i < 2; i++) {
      const { stored, text } = (await get({ 'x-kind': 'a' })).cacheStatus
      expect(text).toContain('x-greeting was set after next()')
      expect(stored).toBe(false)
    }
  })

  it.each([
    ['inputs.ignore', { inputs: { ignore: ['response:x-greeting'] } }],
    ['inputs: false', { inputs: false }],
  ] as const)('is stored with %s', async (_how, options) => {
    const get = await start(
      greeting((c) => c.header('x-greeting', 'to all')),
      options,
    )
    await get({ 'x-kind': 'a' })
    expect((await get({ 'x-kind': 'a' })).cacheStatus.hit).toBe(true)
  })

  it.each<[string, (app: App) => void]>([
    ['secureHeaders', (app) => app.use(secureHeaders())],
    ['poweredBy', (app) => app.use(poweredBy())],
    ['etag', (app) => app.use(etag())],
    ['compress', (app) => app.use(compress())],
  ])('is stored if it says nothing about a visitor: %s', async (_name, mount) => {
    const get = await start(mount)
    const fields = { 'accept-encoding': 'gzip' }
    await get(fields)
    expect((await get(fields)).cacheStatus.hit).toBe(true)
  })
})
