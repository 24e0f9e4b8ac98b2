import { type IncomingHttpHeaders, METHODS } from 'node:http'
import { connect } from 'node:net'
import express from 'express'
import Koa from 'koa'
import { describe, expect, it, vi } from 'vitest'
import type { Clock } from '../../src/core/clock.js'
import { REASONS, type Reason } from '../../src/http/rules/reasons.js'
import { type FallbackCacheMiddleware, fallbackCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { broken, chunked, gate, type Stage, useStage } from './contract-stage.js'
import { type Ask, ask, type Got } from './hosts/client.js'
import { express as expressHost } from './hosts/express.js'
import type { Answer, CacheFace, Call, CommonOptions, Host } from './hosts/host.js'
import { koa as koaHost } from './hosts/koa.js'
import { listen } from './hosts/listen.js'

/** Where a reason is told. */
interface Told {
  /** The answer that carries it in Cache-Status; `undefined`: its head had left when the reason was known. */
  readonly got?: Got | undefined
  /** The cache that tells it. */
  readonly cached: CacheFace
}

interface MoreOptions {
  readonly preset?: 'proxy'
  readonly maxBytes?: number
  readonly enabled?: boolean
  readonly mode?: 'shadow'
}

interface Play<M extends CacheFace> {
  readonly stage: Stage<M>
  cached(options?: CommonOptions & MoreOptions): M
}

type Provoke = <M extends CacheFace>(play: Play<M>) => Promise<Told>

/** One answer, asked for so often. */
function answering(
  answer: Answer | (() => Answer),
  { options = {}, fields = {}, times = 1, method = 'GET', body, hidden = false }: Variation = {},
): Provoke {
  return async ({ stage, cached }) => {
    const middleware = cached(options)
    const client = await stage.serve({
      use: [middleware],
      routes: [
        { path: '/page', answer: () => ({ body: 'page', ...(typeof answer === 'function' ? answer() : answer) }) },
        {
          path: '/page',
          method: 'POST',
          answer: () => ({ body: 'done', ...(typeof answer === 'function' ? {} : answer) }),
        },
        { path: '/page', method: 'QUERY', answer: () => ({ body: 'found' }) },
      ],
    })
    let got = await client.ask('/page', { method, fields, ...(body === undefined ? {} : { body }) })
    for (let more = times; more > 1; more -= 1) got = await client.ask('/page', { method, fields })
    return { got: hidden ? undefined : got, cached: middleware }
  }
}

interface Variation {
  readonly options?: CommonOptions & MoreOptions
  readonly fields?: Record<string, string>
  readonly times?: number
  readonly method?: string
  readonly body?: string
  /** The reason comes too late for Cache-Status. */
  readonly hidden?: boolean
}

const control = (value: string, more: Answer['fields'] = {}): Answer => ({
  fields: { 'cache-control': value, ...more },
})
const proxy: CommonOptions & { preset: 'proxy' } = { preset: 'proxy' }
const querying: Variation = {
  options: { methods: ['GET', 'QUERY'] },
  method: 'QUERY',
  fields: { 'content-type': 'text/plain' },
}
const html = { 'content-type': 'text/html' }

/** A response is stored by the first request, and the second one cannot have it. */
function found(
  answers: (run: number) => Answer,
  second: { readonly fields?: Record<string, string>; readonly after?: number },
  options: Variation['options'] = {},
  first: Record<string, string> = {},
): Provoke {
  return async ({ stage, cached }) => {
    const middleware = cached(options)
    const client = await stage.serve({
      use: [middleware],
      routes: [
        {
          path: '/page',
          answer: ({ run }) => {
            const answer = answers(run)
            return answer.status === 304 ? answer : { body: `run ${run}`, ...answer }
          },
        },
      ],
    })
    await client.get('/page', first)
    stage.clock.advance(second.after ?? 0)
    return { got: await client.get('/page', second.fields), cached: middleware }
  }
}

/** The handler reads something of its request. */
function reading(read: (fields: IncomingHttpHeaders) => string | undefined): Provoke {
  return async ({ stage, cached }) => {
    const middleware = cached()
    const routes = [{ path: '/page', answer: ({ fields }: Call) => ({ body: read(fields) ?? '' }) }]
    const client = await stage.serve({ use: [middleware], routes })
    return { got: await client.get('/page', { cookie: 'theme=dark' }), cached: middleware }
  }
}

/** Something happens between the head and the end of a body. */
function duringRun(happens: (play: { stage: Stage<CacheFace>; cached: CacheFace }) => unknown): Provoke {
  return async ({ stage, cached }) => {
    const middleware = cached()
    const { opened, open } = gate()
    async function* body() {
      yield 'one'
      await opened
      yield 'two'
    }
    const { Readable } = await import('node:stream')
    const client = await stage.serve({
      use: [middleware],
      routes: [{ path: '/page', answer: () => ({ body: Readable.from(body()) }) }],
    })
    await client.ask('/page', {
      onFirstByte: () => void Promise.resolve(happens({ stage, cached: middleware })).then(open),
    })
    return { cached: middleware }
  }
}

/** A head that a client may refuse to read. */
function misframed(name: string, value: string): Provoke {
  return async ({ stage }) => {
    const cached = fallbackCache({ ttl: 60, clock: stage.clock })
    listenTo(cached)
    const app = express()
    app.use(cached, (_req, res) => {
      res.setHeader(name, value)
      res.end('page')
    })
    const running = await listen(app)
    try {
      await ask(running.port, '/page').catch(() => {})
    } finally {
      await running.close()
    }
    return { cached }
  }
}

/** One request to Express, for what other hosts have no words for. */
async function inExpress(
  clock: Clock,
  options: MiddlewareOptions,
  build: (app: express.Express, cached: FallbackCacheMiddleware) => unknown,
  request: Ask = {},
): Promise<Told> {
  const cached = fallbackCache({ ttl: 60, clock, ...options })
  const app = express()
  build(app, cached)
  const running = await listen(app)
  listenTo(cached)
  try {
    return { got: await ask(running.port, '/page', request), cached }
  } finally {
    await running.close()
  }
}

const provocations: Readonly<Record<Reason, Provoke>> = {
  method: answering({}, { method: 'POST', body: 'x' }),
  authorization: answering({}, { fields: { authorization: 'Bearer alice' } }),
  'api-key': answering({}, { fields: { 'x-api-key': 'alice' } }),
  cookie: answering({}, { fields: { cookie: 'connect.sid=alice' } }),
  target: async ({ stage, cached }) => {
    const middleware = cached()
    const client = await stage.serve({ use: [middleware], routes: [{ path: '/page', answer: () => ({}) }] })
    await new Promise((resolve) => {
      const socket = connect(client.port, '127.0.0.1')
      socket.end('GET /page HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n')
      socket.resume().once('close', resolve)
    })
    return { cached: middleware }
  },
  'request-body': answering({}, { body: 'x', fields: { 'content-length': '1' } }),
  'request-too-large': answering({}, { ...querying, body: 'x'.repeat(64 * 1024 + 1) }),
  'request-consumed': ({ stage }) =>
    inExpress(
      stage.clock,
      { methods: ['GET', 'QUERY'] },
      (app, cached) => app.use(express.json(), cached, (_req, res) => void res.json({})),
      { method: 'QUERY', body: '{}', fields: { 'content-type': 'application/json' } },
    ),
  'request-no-store': answering(control('max-age=60'), { options: proxy, fields: { 'cache-control': 'no-store' } }),
  head: answering({}, { method: 'HEAD' }),
  'only-if-cached': answering({}, { options: proxy, fields: { 'cache-control': 'only-if-cached' } }),
  skip: answering({}, { options: { skip: () => true } }),
  fault: answering(
    {},
    {
      options: {
        tags: () => {
          throw new Error('no tags')
        },
      },
    },
  ),
  closed: async (play) => {
    const middleware = play.cached()
    const client = await play.stage.serve({ use: [middleware], routes: [{ path: '/page', answer: () => ({}) }] })
    await middleware.close()
    return { got: await client.get('/page'), cached: middleware }
  },
  disabled: answering({}, { options: { enabled: false } }),
  shadow: answering({}, { options: { mode: 'shadow' }, hidden: true }),
  'uri-miss': answering({}),
  'vary-miss': found(() => ({ fields: { vary: 'Accept-Language' } }), { fields: { 'accept-language': 'de' } }),
  outlived: found(() => ({ fields: { etag: '"a"' } }), { after: 61_000 }),
  unvalidated: found(() => control('no-cache', { etag: '"a"' }), {}, proxy),
  request: found(() => control('max-age=60'), { fields: { 'cache-control': 'no-cache' } }, proxy),
  'recordings-full': answering(() => ({ body: chunked('more than', ' one byte') }), {
    options: { maxRecordingBytes: 1 },
    hidden: true,
  }),
  'outside-part': found(
    () => ({
      status: 206,
      fields: { 'cache-control': 'max-age=60', 'content-range': 'bytes 0-4/9', etag: '"a"' },
      body: 'bytes',
    }),
    {},
    proxy,
    { range: 'bytes=0-4' },
  ),
  status: answering({ status: 500 }),
  precondition: answering({ status: 412, ...control('max-age=60') }, { options: proxy }),
  'must-understand': answering({ status: 451, ...control('max-age=60, must-understand, no-store') }),
  'no-store': answering(control('no-store')),
  private: answering(control('private')),
  'set-cookie': answering({ fields: { 'set-cookie': 'a=b' } }),
  'vary-star': answering({ fields: { vary: '*' } }),
  'no-freshness': answering({}, { options: { ttl: undefined } as never }),
  stale: answering(control('max-age=0')),
  'no-cache': answering(control('no-cache')),
  'cache-if': answering({}, { options: { cacheIf: () => false } }),
  partial: answering({ status: 206, fields: { 'content-range': 'bytes 0-3/9' } }),
  'content-range': answering(
    { status: 206, fields: { 'cache-control': 'max-age=60', 'content-range': 'lines 0-3/9' } },
    { options: proxy },
  ),
  'content-location': answering(
    { fields: { 'content-location': '/page' } },
    { method: 'POST', body: 'x', options: { methods: ['GET', 'POST'] } },
  ),
  'event-stream': answering({ fields: { 'content-type': 'text/event-stream' } }),
  'logged-in': async ({ stage, cached }) => {
    const middleware = cached()
    const client = await stage.serve({
      use: [middleware],
      routes: [
        {
          path: '/page',
          answer: (call) => {
            call.signIn({ name: 'alice' })
            return { body: 'for alice' }
          },
        },
      ],
    })
    return { got: await client.get('/page'), cached: middleware }
  },
  'cookie-read': reading((fields) => fields.cookie),
  'fields-read': reading((fields) => JSON.stringify(fields)),
  'query-read': ({ stage }) =>
    inExpress(stage.clock, { query: ['page'] }, (app, cached) =>
      app.use(cached, (req, res) => void res.send(`sort ${req.query.sort}`)),
    ),
  'address-read': ({ stage }) =>
    inExpress(stage.clock, {}, (app, cached) => app.use(cached, (req, res) => void res.send(`you are ${req.ip}`))),
  'filled-read': ({ stage }) =>
    inExpress(stage.clock, {}, (app, cached) => {
      app.use((req, _, next) => {
        Object.assign(req, { tenant: { id: 1 } })
        next()
      })
      app.use(cached, (req, res) => void res.send(`for ${Reflect.get(req, 'tenant').id}`))
    }),
  reflected: ({ stage }) =>
    inExpress(
      stage.clock,
      {},
      (app, cached) => app.use(cached, (req, res) => void res.send(`request ${req.get('x-request-id')}`)),
      { fields: { 'x-request-id': '0123-4567' } },
    ),
  'csp-nonce': answering({ fields: { ...html, 'content-security-policy': "script-src 'nonce-1'" } }),
  'stale-if-error': found((run) => (run === 1 ? {} : { status: 503 }), { after: 61_000 }, { staleIfError: 60 }),
  'wrong-validator': found(
    (run) => (run === 1 ? { fields: { etag: '"a"' } } : { status: 304, fields: { etag: '"b"' } }),
    { after: 61_000 },
  ),
  'too-large': answering(() => ({ body: chunked('0123456789', 'a') }), { options: { maxBodySize: 10 }, hidden: true }),
  incomplete: answering(() => ({ fields: { 'content-length': '9' }, body: chunked('half') }), { hidden: true }),
  aborted: answering(() => ({ body: broken('part') }), { hidden: true }),
  'content-length': misframed('Content-Length', '+4'),
  'transfer-encoding': misframed('Transfer-Encoding', 'gzip, chunked'),
  unanswered: async ({ stage }) => {
    const cached = koaCache({ ttl: 60, statusTtl: { 404: 60 }, clock: stage.clock })
    listenTo(cached)
    const app = new Koa()
    app.use(cached)
    const running = await listen(app.callback())
    try {
      return { got: await ask(running.port, '/page'), cached }
    } finally {
      await running.close()
    }
  },
  trailers: async ({ stage }) => {
    const sent = await inExpress(stage.clock, {}, (app, cached) =>
      app.use(cached, (_req, res) => {
        res.setHeader('Trailer', 'X-Sum')
        res.write('page')
        res.addTrailers({ 'X-Sum': '1' })
        res.end()
      }),
    )
    return { cached: sent.cached }
  },
  invalidated: duringRun(({ cached }) => cached.invalidate('/page')),
  'too-many-variants': answering({ fields: { vary: Array.from({ length: 17 }, (_, at) => `X-Plan-${at}`).join() } }),
  'too-slow': async (play) =>
    duringRun(({ stage }) => stage.clock.advance(61_000))({
      ...play,
      cached: () => play.cached({ ttl: 3600 }),
    }),
  expired: duringRun(({ stage }) => stage.clock.advance(60_000)),
}

/** What the middlewares of the running test have told, by cache. */
const heard = new WeakMap<object, [event: string, reason: string][]>()

function listenTo({ cache }: CacheFace): void {
  const told: [string, string][] = []
  heard.set(cache, told)
  for (const event of ['miss', 'skip', 'bypass'] as const) {
    cache.on(event, ({ reason = '' }: { readonly reason?: string }) => told.push([event, reason]))
  }
}

/** The parser of Node.js 20.19.0 does not know the method. */
const ASKED_BY_QUERY: ReadonlySet<Reason> = new Set(['request-too-large', 'request-consumed'])

const NOT_STORED_OR_HANDLED = ['skip', 'bypass']
/** Reasons for which a stored response is not used, in the words of `fwd`. */
const FORWARDS: Readonly<Partial<Record<Reason, string>>> = {
  'uri-miss': 'uri-miss',
  'vary-miss': 'vary-miss',
  outlived: 'stale',
  unvalidated: 'stale',
  request: 'request',
  'outside-part': 'partial',
}

function reasonsContract<M extends CacheFace>(name: string, host: Host<M>): void {
  describe(`a reason in ${name}`, () => {
    const stage = useStage(host)
    const play: Play<M> = {
      stage,
      cached: (options = {}) => {
        const middleware = stage.cached({ ttl: 60, ...options })
        listenTo(middleware)
        return middleware
      },
    }

    for (const [reason, provoke] of Object.entries(provocations) as [Reason, Provoke][]) {
      it.skipIf(ASKED_BY_QUERY.has(reason) && !METHODS.includes('QUERY'))(
        `is told once in the events, in the statistics and in Cache-Status: ${reason}`,
        async () => {
          vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
          const { got, cached } = await provoke(play)
          const fwd = FORWARDS[reason]
          const told = () => heard.get(cached.cache) ?? []
          const expected = () => (fwd === undefined ? NOT_STORED_OR_HANDLED : ['miss'])
          if (reason !== 'only-if-cached') {
            await expect
              .poll(() => told().filter(([event, why]) => expected().includes(event) && why === reason))
              .toHaveLength(1)
          }
          expect(
            told()
              .map(([, why]) => why)
              .filter((why) => !(why in REASONS)),
          ).toEqual([])
          const count = cached.stats().counters.refused[reason]
          if (reason === 'uri-miss') expect(cached.stats().counters.misses).toBe(1)
          else expect(count).toBe(1)
          if (got !== undefined) {
            expect(got.cacheStatus.present).toBe(true)
            expect(fwd === undefined ? got.cacheStatus.detail : got.cacheStatus.fwd).toBe(fwd ?? reason)
          }
          vi.restoreAllMocks()
        },
      )
    }
  })
}

reasonsContract('Express', expressHost)
reasonsContract('Koa', koaHost)
