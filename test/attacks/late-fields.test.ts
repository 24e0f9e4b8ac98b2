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
  handle: (c: Context<HonoEnv>) => void = () => {},
): Promise<(fields?: Readonly<Record<string, string>>) => Promise<Got>> {
  const app: App = new Hono()
  mount(app)
  const cached = fallbackCache({ ttl: 60, ...options })
  open.push(() => cached.close())
  app.use(cached)
  app.get('/', (c) => {
    handle(c)
    return c.text('a page that is long enough to be compressed'.repeat(50))
  })
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
    ['the response of Node.js', (c, who) => (c as Context<HonoEnv>).env.outgoing.setHeader('x-greeting', who)],
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

/** Middleware that finds out who is asking before `next()`, and answers in another way after it. */
const answering = (answer: (c: Context, who: string) => Response) =>
  greeting((c, who) => {
    c.res = answer(c, who)
  })

describe('Hono: another response that middleware in front sets after next()', () => {
  it.each<[string, (c: Context, who: string) => Response]>([
    ['with another body', (c, who) => new Response(`for ${who}`, c.res)],
    ['with another status', (c, who) => new Response(c.res.body, { status: who === 'Ann Smith' ? 203 : 404 })],
    ['of c.text', (c, who) => c.text(`for ${who}`)],
  ])('reaches no other visitor, %s', async (_way, answer) => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const get = await start(answering(answer))
    const own = new Map<string, string>()
    for (const kind of ['a', 'b', 'a', 'b']) {
      const { status, text } = await get({ 'x-kind': kind })
      expect([undefined, `${status} ${text}`]).toContain(own.get(kind))
      own.set(kind, `${status} ${text}`)
    }
    expect(own.get('a')).not.toBe(own.get('b'))
  })

  it('is not sent behind a hit', async () => {
    const errors = vi.spyOn(console, 'error').mockImplementation(() => {})
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const get = await start(answering((_c, who) => new Response(`for ${who}`)))
    await get()
    expect(await get({ 'x-kind': 'a' })).toMatchObject({
      cacheStatus: { hit: true },
      text: expect.stringContaining('a page'),
    })
    expect(errors).not.toHaveBeenCalled()
  })

  it('is not stored, and says so once', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const get = await start(answering((c, who) => new Response(`for ${who}`, c.res)))
    for (const kind of ['a', 'b', 'a']) {
      const { text, cacheStatus } = await get({ 'x-kind': kind })
      expect(text).toBe(`for ${GREETINGS[kind]}`)
      expect(cacheStatus).toMatchObject({
        hit: false,
        stored: false,
        text: expect.stringContaining('another response'),
      })
    }
    expect(warnings.mock.calls.filter(([text]) => String(text).includes('c.res = …'))).toHaveLength(1)
  })

  it('is stored with inputs: false', async () => {
    const get = await start(
      (app) =>
        app.use(async (c, next) => {
          await next()
          c.res = new Response('for all', c.res)
        }),
      { inputs: false },
    )
    await get()
    expect((await get()).cacheStatus.hit).toBe(true)
  })
})

describe('Hono: a field that a handler sets on the response of Node.js', () => {
  const startWith = (handle: (c: Context<HonoEnv>) => void, mount: (app: App) => void = () => {}) =>
    start(mount, {}, handle)

  it('is sent and stored', async () => {
    const get = await startWith((c) => c.env.outgoing.setHeader('x-made', 'here'))
    expect((await get()).field('x-made')).toBe('here')
    expect(await get()).toMatchObject({ cacheStatus: { hit: true } })
    expect((await get()).field('x-made')).toBe('here')
  })

  it('is a cookie of one client', async () => {
    let made = 0
    const get = await startWith((c) => c.env.outgoing.setHeader('set-cookie', `form=${++made}`))
    expect((await get()).field('set-cookie')).toBe('form=1')
    expect((await get()).field('set-cookie')).toBe('form=2')
  })

  it('is sent for each request if middleware in front sets it', async () => {
    let made = 0
    const get = await startWith(
      () => {},
      (app) =>
        app.use(async (c, next) => {
          c.env.outgoing.setHeader('x-request', String(++made))
          await next()
        }),
    )
    expect((await get()).field('x-request')).toBe('1')
    expect(await get()).toMatchObject({ cacheStatus: { hit: true } })
    expect((await get()).field('x-request')).toBe('3')
  })
})
