import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fallbackCache } from 'fallback-cache/express'

// node scripts/compat-program.mjs FRAMEWORK [FOLDER]: whether the built middleware works in a framework that is installed in a
// folder. Ends with an error if it does not. INPUTS=false: with `inputs: false`; STORES=nothing: whether every answer is right and
// none is stored. `npm run compat` runs it.

/** @typedef {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse, next: (error?: unknown) => void) => void} Handler */

const [framework = 'node:http', folder = '.'] = process.argv.slice(2)

/** @type {Readonly<Record<string, (load: (name: string) => Promise<any>, cached: any, handler: Handler) => Promise<import('node:http').Server>>>} */
const SERVERS = {
  'node:http': async (_load, cached, handler) =>
    createServer((request, response) => cached(request, response, () => handler(request, response, () => {}))),
  express: async (load, cached, handler) => createServer((await load('express'))().use(cached).use(handler)),
  connect: async (load, cached, handler) => createServer((await load('connect'))().use(cached).use(handler)),
  polka: async (load, cached, handler) =>
    createServer((await load('polka'))().use(cached).get('/page', handler).post('/page', handler).handler),
  restify: async (load, cached, handler) => {
    const server = (await load('restify')).createServer()
    server.use(cached)
    server.get('/page', handler)
    server.post('/page', handler)
    return server.server
  },
  hono: async () => {
    const [{ Hono }, { createAdaptorServer }, { fallbackCache }] = await Promise.all([
      import('hono'),
      import('@hono/node-server'),
      import('fallback-cache/hono'),
    ])
    const app = new Hono()
    app.use(fallbackCache(OPTIONS))
    /** @param {any} c */
    const answered = (c) => {
      const made = answerOf(c.req.method)
      return c.body(made.body ?? null, made.status, { 'Content-Type': 'application/json' })
    }
    app.get('/page', answered)
    app.post('/page', answered)
    return /** @type {import('node:http').Server} */ (createAdaptorServer({ fetch: app.fetch }))
  },
  'nestjs-fastify': async (load) => {
    const [{ Controller, Get, HttpCode, Module, Post }, { NestFactory }, { FastifyAdapter }, { fallbackCache }] =
      await Promise.all([
        load('@nestjs/common'),
        load('@nestjs/core'),
        load('@nestjs/platform-fastify'),
        import('fallback-cache/fastify'),
      ])
    class Pages {
      show() {
        return answerOf('GET').body
      }
      change() {}
    }
    Controller('page')(Pages)
    const get = Object.getOwnPropertyDescriptor(Pages.prototype, 'show')
    const post = Object.getOwnPropertyDescriptor(Pages.prototype, 'change')
    Get()(Pages.prototype, 'show', get)
    Post()(Pages.prototype, 'change', post)
    HttpCode(204)(Pages.prototype, 'change', post)
    class App {}
    Module({ controllers: [Pages] })(App)
    const app = await NestFactory.create(App, new FastifyAdapter(), { logger: ['error'] })
    await app.register(fallbackCache(OPTIONS))
    await app.init()
    await app.getHttpAdapter().getInstance().ready()
    return app.getHttpServer()
  },
}

/** @type {import('fallback-cache/express').MiddlewareOptions} */
const OPTIONS = { ttl: 60, ...(process.env.INPUTS === 'false' ? { inputs: false } : {}) }

const open = SERVERS[framework]
if (open === undefined) throw new Error(`no such framework: ${framework}`)

let runs = 0
const cached = fallbackCache(OPTIONS)
const server = await open(load, cached, (request, response, next) => {
  const { status, body } = answerOf(request.method)
  // Not chained: restify has methods of its own under these names.
  response.statusCode = status
  response.setHeader('Content-Type', 'application/json')
  response.end(body)
  if (framework === 'restify') next()
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
const address = server.address()
const port = typeof address === 'object' ? address?.port : undefined

const seen = [await ask('GET'), await ask('GET'), await ask('POST'), await ask('GET')]
const told = seen.map(({ status, text, hit }) => `${status} ${text} ${hit}`).join(', ')
const wanted =
  process.env.STORES === 'nothing'
    ? '200 {"run":1} false, 200 {"run":2} false, 204  false, 200 {"run":3} false'
    : '200 {"run":1} false, 200 {"run":1} true, 204  false, 200 {"run":2} false'
if (told !== wanted) throw new Error(`answered: ${told}\nwanted: ${wanted}`)
console.log('works')
process.exit(0)

/** What the handler answers; a GET counts its runs. @param {string | undefined} method */
function answerOf(method) {
  return method === 'POST' ? { status: 204, body: undefined } : { status: 200, body: JSON.stringify({ run: ++runs }) }
}

/** @param {string} method */
async function ask(method) {
  const answer = await fetch(`http://127.0.0.1:${port}/page`, { method, headers: { Connection: 'close' } })
  const hit = /; hit/.test(answer.headers.get('cache-status') ?? '')
  return { status: answer.status, text: await answer.text(), hit }
}

/** The package of that name in the folder. @param {string} name */
async function load(name) {
  const path = createRequire(pathToFileURL(`${resolve(folder)}/`)).resolve(name)
  const loaded = await import(pathToFileURL(path).href)
  return loaded.default ?? loaded
}
