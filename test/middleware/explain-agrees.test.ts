import { METHODS } from 'node:http'
import express from 'express'
import fc from 'fast-check'
import Koa from 'koa'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { type Explanation, isBackgroundRefresh } from '../../src/index.js'
import { fallbackCache as expressCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { ask, type Got } from './hosts/client.js'
import { listen } from './hosts/listen.js'

/** Programs for each host; `FUZZ_RUNS` raises it. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 120)

// What the functions throw becomes warnings.
beforeEach(() => void vi.spyOn(process, 'emitWarning').mockReturnValue())

/** What functions among the options ask of a request, in both frameworks. */
type Field = (name: string) => string | undefined

/** Options of a route; functions are made for the framework. */
interface RouteOptions {
  readonly plain: object
  readonly functions: readonly (readonly [name: string, (field: Field) => unknown])[]
}

const later = <T>(value: T) => new Promise<T>((resolve) => setImmediate(() => resolve(value)))
const fail = (why: string): never => {
  throw new Error(why)
}

const PLAIN: readonly object[] = [
  {},
  { preset: 'proxy' },
  { methods: ['GET'] },
  { methods: ['GET', 'HEAD', 'POST', 'QUERY'] },
  { query: ['a'] },
  { query: 'sorted' },
  { noVarySearch: true },
  { vary: ['X-Lang'] },
  { staleWhileRevalidate: 60 },
  { staleIfError: 60 },
  { cacheStatus: 'debug' },
  { cacheStatus: false },
  { maxBodySize: 3 },
  { obeyClient: true },
  { statusTtl: { 404: 30, 500: false } },
  { storeSetCookie: true },
  { precompress: ['gzip'] },
  { cookies: 'observed', inputs: {} },
  { inputs: false, cookies: 'named' },
  { group: 'other' },
]

const FUNCTIONS: RouteOptions['functions'] = [
  ['skip', (field) => field('x-skip') === '1'],
  ['skip', (field) => later(field('x-skip') === '1')],
  ['skip', (field) => (field('x-skip') === '1' ? fail('skip') : 0)],
  ['key', (field) => field('x-key')],
  ['key', (field) => later(field('x-key'))],
  ['key', (field) => (field('x-key') === undefined ? undefined : fail('key'))],
  ['key', (field) => (field('x-key') === undefined ? '' : {})],
  ['user', (field) => field('x-user')],
  ['user', (field) => later(field('x-user') ?? '')],
  ['user', (field) => (field('x-user') === undefined ? undefined : later(undefined).then(() => fail('user')))],
  ['allowRefresh', (field) => field('x-may') === '1'],
  ['allowRefresh', (field) => later(field('x-may') === '1')],
  ['allowRefresh', (field) => field('x-may') === '1' && fail('allowRefresh')],
]

/** `each`: an option list and functions. Later ones win, as in an object. */
const routeOptions: fc.Arbitrary<RouteOptions> = fc.record({
  plain: fc.subarray([...PLAIN], { maxLength: 3 }).map((parts) => Object.assign({}, ...parts) as object),
  functions: fc.subarray([...FUNCTIONS], { maxLength: 2 }),
})

/** Which caches a request passes, and where. */
interface Program {
  readonly outer: RouteOptions
  /** For the route: `with()` of the outer one, another middleware, or none. */
  readonly inner: (RouteOptions & { readonly by: 'with' | 'itself' }) | undefined
  /** Whether the outer one is mounted; if not, the inner one is for itself. */
  readonly isNested: boolean
  readonly loginInFront: boolean
  readonly steps: readonly Step[]
}

interface Step {
  readonly method: string
  readonly url: string
  readonly fields: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** Seconds that pass before. */
  readonly pause: number
  /** What the handler answers, if it runs. */
  readonly answer: Answer
}

interface Answer {
  readonly status: number
  readonly fields: Readonly<Record<string, string>>
  /** Reads it, so that the response is made from it. */
  readonly reads: 'cookie' | 'x-lang' | undefined
}

const REQUEST_FIELDS: readonly Readonly<Record<string, string>>[] = [
  { 'x-skip': '1' },
  { 'x-key': 'a' },
  { 'x-key': 'b' },
  { 'x-user': 'ann' },
  { 'x-may': '1' },
  { 'x-lang': 'de' },
  { 'x-login': 'ann' },
  { cookie: 'sid=1' },
  { cookie: 'theme=dark' },
  { authorization: 'Bearer x' },
  { 'cache-control': 'no-cache' },
  { 'cache-control': 'max-age=0' },
  { 'cache-control': 'only-if-cached' },
  { 'cache-control': 'max-stale' },
  { 'cache-control': 'no-store' },
  { pragma: 'no-cache' },
  { range: 'bytes=0-1' },
  { range: 'bytes=90-' },
  { range: 'lines=1-2' },
  { 'if-none-match': '"one"' },
  { 'if-match': '"two"' },
  { 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' },
  { 'accept-encoding': 'gzip' },
  { host: 'Shop.example' },
]

const ANSWER_FIELDS: readonly Readonly<Record<string, string>>[] = [
  { etag: '"one"' },
  { 'last-modified': 'Wed, 01 Jan 2025 00:00:00 GMT' },
  { vary: 'X-Lang' },
  { 'cache-control': 'public, max-age=30' },
  { 'cache-control': 'private' },
  { 'cache-control': 'no-cache' },
  { 'cache-control': 'max-age=5, stale-while-revalidate=60' },
  { 'cache-control': 'max-age=5, must-revalidate' },
  { 'no-vary-search': 'params=("b")' },
  { 'set-cookie': 'n=1' },
]

const merged = (of: readonly Readonly<Record<string, string>>[], maxLength: number) =>
  fc.subarray([...of], { maxLength }).map((parts) => Object.assign({}, ...parts) as Record<string, string>)

const step: fc.Arbitrary<Step> = fc
  .record({
    method: fc.oneof({ weight: 6, arbitrary: fc.constant('GET') }, fc.constantFrom('HEAD', 'POST', 'PUT', 'QUERY')),
    url: fc.constantFrom(
      '/page',
      '/page',
      '/page',
      '/page',
      '/page?a=1',
      '/page?b=1',
      '/page?a=1&b=2',
      '/page?b=2&a=1',
    ),
    fields: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, merged(REQUEST_FIELDS, 2)),
    body: fc.option(fc.constantFrom('one', 'two'), { nil: undefined, freq: 1 }),
    pause: fc.constantFrom(0, 0, 0, 1, 20, 61),
    answer: fc.record({
      status: fc.constantFrom(200, 200, 200, 200, 200, 404, 500),
      fields: fc.oneof(fc.constant({}), merged(ANSWER_FIELDS, 2)),
      reads: fc.constantFrom(undefined, undefined, undefined, 'cookie' as const, 'x-lang' as const),
    }),
  })
  .map((one) => (one.method === 'QUERY' && !METHODS.includes('QUERY') ? { ...one, method: 'GET' } : one))

const program: fc.Arbitrary<Program> = fc.record({
  outer: routeOptions,
  inner: fc.option(
    routeOptions.chain((options) =>
      fc.constantFrom('with' as const, 'itself' as const).map((by) => ({ ...options, by })),
    ),
    { nil: undefined },
  ),
  isNested: fc.boolean(),
  loginInFront: fc.boolean(),
  steps: fc.array(step, { minLength: 2, maxLength: 10 }),
})

/** What the caches of one application said before they had a request. */
interface Site {
  readonly port: number
  /** Explanations of the present request, the innermost cache last. */
  readonly seen: Explanation[]
  answer: Answer
  close(): Promise<void>
}

function optionsFor<Context>({ plain, functions }: RouteOptions, fieldOf: (context: Context) => Field): object {
  const made = functions.map(([name, ask]) => [name, (context: Context) => ask(fieldOf(context))] as const)
  return { ...plain, ...Object.fromEntries(made) }
}

async function startExpress({ outer, inner, isNested, loginInFront }: Program, clock: ManualClock): Promise<Site> {
  const fieldOf =
    (req: express.Request): Field =>
    (name) =>
      req.get(name)
  const shared = expressCache({ clock, ttl: 10, ...optionsFor(outer, fieldOf) })
  const own = inner && optionsFor(inner, fieldOf)
  const route = inner?.by === 'with' ? shared.with(own ?? {}) : own && expressCache({ clock, ttl: 10, ...own })
  const app = express().set('env', 'test')
  const seen: Explanation[] = []
  const explaining = (cached: typeof shared) => async (req: express.Request, _res: unknown, next: () => void) => {
    if (!isBackgroundRefresh(req)) seen.push(await cached.explain(req))
    next()
  }
  if (loginInFront)
    app.use((req, _res, next) => {
      if (req.get('x-login') !== undefined) Object.assign(req, { user: { id: 1 } })
      next()
    })
  if (route === undefined || isNested) app.use(explaining(shared), shared)
  if (route !== undefined) app.all('/page', explaining(route), route)
  app.all('/page', (req, res) => {
    const { status, fields, reads } = site.answer
    if (reads !== undefined) req.get(reads)
    res.status(status).set(fields).send('page')
  })
  const running = await listen(app)
  const site: Site = { port: running.port, seen, answer: NO_ANSWER, close: closing(shared, route, running) }
  return site
}

async function startKoa({ outer, inner, isNested, loginInFront }: Program, clock: ManualClock): Promise<Site> {
  const fieldOf =
    (ctx: Koa.Context): Field =>
    (name) =>
      ctx.get(name) || undefined
  const shared = koaCache({ clock, ttl: 10, ...optionsFor(outer, fieldOf) })
  const own = inner && optionsFor(inner, fieldOf)
  const route = inner?.by === 'with' ? shared.with(own ?? {}) : own && koaCache({ clock, ttl: 10, ...own })
  const app = new Koa()
  app.silent = true
  const seen: Explanation[] = []
  const explaining = (cached: typeof shared) => async (ctx: Koa.Context, next: Koa.Next) => {
    if (!isBackgroundRefresh(ctx)) seen.push(await cached.explain(ctx))
    await next()
  }
  if (loginInFront)
    app.use(async (ctx, next) => {
      if (ctx.get('x-login') !== '') ctx.state.user = { id: 1 }
      await next()
    })
  if (route === undefined || isNested) app.use(explaining(shared)).use(shared)
  if (route !== undefined) app.use(explaining(route)).use(route)
  app.use((ctx) => {
    const { status, fields, reads } = site.answer
    if (reads !== undefined) ctx.get(reads)
    ctx.status = status
    ctx.set(fields)
    ctx.body = 'page'
  })
  const running = await listen(app.callback())
  const site: Site = { port: running.port, seen, answer: NO_ANSWER, close: closing(shared, route, running) }
  return site
}

const NO_ANSWER: Answer = { status: 200, fields: {}, reads: undefined }

function closing(...all: readonly ({ close(): Promise<void> } | undefined)[]): () => Promise<void> {
  return async () => {
    for (const one of [...all].reverse()) await one?.close()
  }
}

/** What an explanation and the answer say in the same words. */
function disagreement(seen: Explanation, got: Got): string | undefined {
  const { outcome, tier, status, fwd, cacheStatus, reason } = seen
  const { cacheStatus: said } = got
  if (seen.outcome === 'wait') return 'there is no other request'
  if (outcome === 'hit' || outcome === 'refuse') {
    if (status !== got.status) return `status ${status}`
    if (cacheStatus !== got.field('cache-status')) return `Cache-Status ${cacheStatus}`
    return cacheStatus !== undefined && outcome === 'hit' && !(said.hit && said.detail === tier)
      ? `tier ${tier}`
      : undefined
  }
  if (said.hit) return `outcome ${outcome}`
  // What the handler's 304 or error turns into is answered by the outermost of the caches that record.
  const isOfOuter = /fwd-status=304|detail=stale-if-error/.test(said.text)
  if (cacheStatus === undefined) return said.present && !isOfOuter ? 'no Cache-Status' : undefined
  if (fwd !== said.fwd && said.detail !== 'stale-if-error') return `fwd ${fwd}`
  if (outcome === 'pass') {
    if (said.detail !== reason) return `reason ${reason}`
    return cacheStatus === said.text ? undefined : `Cache-Status ${cacheStatus}`
  }
  if (isOfOuter) return undefined
  const key = /; key="[^"]*"/.exec(said.text)?.[0]
  return key !== undefined && !cacheStatus.includes(key) ? 'key' : undefined
}

const HOSTS = [
  ['Express', startExpress],
  ['Koa', startKoa],
] as const

describe.each(HOSTS)('explain(), asked just before a request, in %s', (_host, start) => {
  it(`says what its Cache-Status says afterwards, in ${RUNS} random applications`, { timeout: 600_000 }, async () => {
    let asked = 0
    const outcomes: Record<string, number> = {}
    await fc.assert(
      fc.asyncProperty(program, async (made) => {
        const clock = new ManualClock()
        const site = await start(made, clock)
        try {
          for (const one of made.steps) {
            clock.advance(one.pause * 1000)
            site.answer = one.answer
            site.seen.length = 0
            const { method, body } = one
            const fields = { ...one.fields, ...(body !== undefined && { 'content-length': String(body.length) }) }
            const got = await ask(site.port, one.url, { method, fields, ...(body !== undefined && { body }) })
            const innermost = site.seen.at(-1)
            expect(innermost).toBeDefined()
            if (innermost === undefined) return
            asked += 1
            outcomes[innermost.outcome] = (outcomes[innermost.outcome] ?? 0) + 1
            const why = disagreement(innermost, got)
            expect(why, `${innermost.text}\n${got.status} ${got.cacheStatus.text}`).toBeUndefined()
          }
        } finally {
          await site.close()
        }
      }),
      { numRuns: RUNS, ...(process.env.FUZZ_SEED && { seed: Number(process.env.FUZZ_SEED) }) },
    )
    for (const outcome of ['hit', 'forward', 'pass']) expect(outcomes[outcome] ?? 0).toBeGreaterThan(asked / 30)
  })
})
