import { readFileSync } from 'node:fs'
import express from 'express'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

const page = readFileSync(new URL('../../docs/inputs.md', import.meta.url), 'utf8')

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

/** Whether each of some requests, told by their fields, is answered from the cache. */
async function hits(options: MiddlewareOptions, requests: readonly Record<string, string>[], name = 'none') {
  const cached = fallbackCache({ ttl: 60, ...options })
  const app = express()
  app.use((req, _res, next) => {
    Object.assign(req, { device: { kind: req.get('x-device') }, t: () => req.get('x-device') })
    next()
  })
  app.use(cached)
  app.get('/page', (req, res) => {
    const read = { device: () => Reflect.get(req, 'device'), t: () => Reflect.get(req, 't')() }[name]
    res.type(String(req.query.type ?? 'text/plain')).send(`${JSON.stringify(read?.() ?? req.get(name)?.length)}\n`)
  })
  const running = await listen(app)
  open.push(cached, running)
  const seen: boolean[] = []
  for (const { path = '/page', ...fields } of requests) {
    seen.push((await ask(running.port, path, { fields })).cacheStatus.hit === true)
  }
  return seen
}

/** What the table in docs/inputs.md says of the options, row by row: with the option, and without. */
const rows: [string, string, MiddlewareOptions, Record<string, string>[], boolean[], boolean[], string?][] = [
  [
    'credential fields',
    "inputs.count: ['x-shopper']",
    { inputs: { count: ['x-shopper'] } },
    [{ 'x-shopper': '1' }, { 'x-shopper': '1' }],
    [false, false],
    [false, true],
  ],
  [
    'credential fields',
    "inputs.ignore: ['x-user-name']",
    { inputs: { ignore: ['x-user-name'] } },
    [{ 'x-user-name': 'a' }, { 'x-user-name': 'b' }],
    [false, true],
    [false, false],
  ],
  [
    'credential fields',
    "vary: ['x-user-name']",
    { vary: ['x-user-name'] },
    [{ 'x-user-name': 'a' }, { 'x-user-name': 'b' }, { 'x-user-name': 'a' }],
    [false, false, true],
    [false, false, false],
  ],
  [
    'credential cookies',
    "inputs.count: ['cookie:warenkorb']",
    { inputs: { count: ['cookie:warenkorb'] } },
    [{}, { cookie: 'warenkorb=1' }],
    [false, false],
    [false, true],
  ],
  [
    'credential cookies',
    "inputs.ignore: ['cookie:user']",
    { inputs: { ignore: ['cookie:user'] } },
    [{}, { cookie: 'user=1' }],
    [false, true],
    [false, false],
  ],
  [
    'credential cookies',
    "vary: ['cookie']",
    { vary: ['cookie'] },
    [{ cookie: 'sid=1' }, { cookie: 'sid=2' }, { cookie: 'sid=1' }],
    [false, false, true],
    [false, false, false],
  ],
  [
    'everyday cookies',
    "inputs.ignore: ['cookie:hint']",
    { inputs: { ignore: ['cookie:hint', 'cookie:hint_session'] } },
    [{}, { cookie: 'hint_session=1' }],
    [false, true],
    [false, false],
  ],
  [
    'everyday cookies',
    "inputs.count: ['cookie:_ga']",
    { inputs: { count: ['cookie:_ga'] } },
    [{}, { cookie: '_ga=1' }],
    [false, false],
    [false, true],
  ],
  [
    'neutral fields',
    "inputs.ignore: ['x-trace']",
    { inputs: { ignore: ['x-trace'] } },
    [{ 'x-trace': 'one' }, { 'x-trace': 'two' }],
    [false, true],
    [false, false],
    'x-trace',
  ],
  [
    'neutral fields',
    "inputs.count: ['baggage']",
    { inputs: { count: ['baggage'] } },
    [{}, { baggage: 'a=1' }],
    [false, false],
    [false, true],
  ],
  [
    'neutral fields',
    "vary: ['baggage']",
    { vary: ['baggage'] },
    [{ baggage: 'a=1' }, { baggage: 'a=2' }, { baggage: 'a=1' }],
    [false, false, true],
    [false, true, true],
    'baggage',
  ],
  [
    'names of values set by middleware',
    "inputs.count: ['req:device']",
    { inputs: { count: ['req:device'] } },
    [{}, {}],
    [false, false],
    [false, true],
    'device',
  ],
  [
    'names of values set by middleware',
    "inputs.ignore: ['req:t']",
    { inputs: { ignore: ['req:t'] } },
    [{}, {}],
    [false, true],
    [false, false],
    't',
  ],
  [
    'endless types',
    "endlessTypes.count: ['application/json-seq']",
    { endlessTypes: { count: ['application/json-seq'] } },
    [{ path: '/page?type=application/json-seq' }, { path: '/page?type=application/json-seq' }],
    [false, false],
    [false, true],
  ],
  [
    'endless types',
    "endlessTypes.ignore: ['application/x-ndjson']",
    { endlessTypes: { ignore: ['application/x-ndjson'] } },
    [{ path: '/page?type=application/x-ndjson' }, { path: '/page?type=application/x-ndjson' }],
    [false, true],
    [false, false],
  ],
]

describe('the lists in docs/inputs.md', () => {
  it.each(rows)('%s: %s does what the table says', async (list, said, options, requests, having, without, name) => {
    expect(page).toMatch(new RegExp(`^\\| ${list} \\|.*${said.replace(/[[\]().*]/g, '\\$&')}`, 'm'))
    expect(await hits(options, requests, name)).toEqual(having)
    expect(await hits({}, requests, name)).toEqual(without)
  })
})

const SYMBOL = Symbol('tenant')

/** Ways in which a handler asks for what middleware in front has done for one visitor; `seen` is what the page says. */
const ways: [string, boolean, (req: express.Request, res: express.Response) => unknown][] = [
  ['a property under a symbol', false, (req) => Reflect.get(req, SYMBOL)],
  ['a property of res.locals under a symbol', true, (_req, res) => Reflect.get(res.locals, SYMBOL)],
  ["'tenant' in req", false, (req) => 'tenant' in req],
  ['Object.hasOwn(req)', false, (req) => Object.hasOwn(req, 'tenant')],
  ['Object.keys(req)', false, (req) => Object.keys(req).includes('tenant')],
  ['{ ...req }', false, (req) => Reflect.get({ ...req }, 'tenant')],
  ['req.tenant', true, (req) => Reflect.get(req, 'tenant')],
  ["'tenant' in res.locals", true, (_req, res) => 'tenant' in res.locals],
  ['Object.hasOwn(res.locals)', true, (_req, res) => Object.hasOwn(res.locals, 'tenant')],
  ['Object.keys(res.locals)', true, (_req, res) => Object.keys(res.locals).includes('tenant')],
  ['{ ...res.locals }', true, (_req, res) => ({ ...res.locals }).tenant],
  ['the status', true, () => 'page'],
  ['res.getHeaderNames()', true, (_req, res) => res.getHeaderNames().length],
  ['res.get()', true, (_req, res) => res.get('x-tenant')],
]

describe('what docs/inputs.md says of what cannot be seen', () => {
  it.each(ways)('%s: seen is %s', async (name, seen, read) => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express()
    app.use((req, res, next) => {
      if (req.get('x-guest') !== undefined) return next()
      Object.assign(req, { tenant: 'a', [SYMBOL]: 'a' })
      Object.assign(res.locals, { tenant: 'a', [SYMBOL]: 'a' })
      res.set('x-tenant', 'a')
      if (name === 'the status') res.status(203)
      next()
    })
    app.use(cached)
    app.get('/page', (req, res) => {
      res.send(String(read(req, res)))
    })
    const running = await listen(app)
    open.push(cached, running)
    const guest = await ask(running.port, '/page', { fields: { 'x-guest': '1' } })
    const tenant = await ask(running.port, '/page')
    expect([guest.cacheStatus.hit, tenant.cacheStatus.hit]).toEqual([false, !seen])
    expect([tenant.status, tenant.field('x-tenant')]).toEqual([name === 'the status' ? 203 : 200, 'a'])
  })
})
