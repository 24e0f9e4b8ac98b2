import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fallbackCache } from 'fallback-cache/express'

// node scripts/compat-program.mjs FRAMEWORK [FOLDER]: whether the built middleware works in a framework that is installed in a
// folder. Ends with an error if it does not. INPUTS=false: with `inputs: false`. `npm run compat` runs it.

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
  koa: async (load) => {
    const [Koa, { fallbackCache }] = await Promise.all([load('koa'), import('fallback-cache/koa')])
    const app = new Koa()
    app.use(fallbackCache(OPTIONS_OF_KOA))
    app.use((/** @type {any} */ ctx) => {
      const { status, body } = answerOf(ctx.method)
      if (body !== undefined) ctx.body = body
      ctx.status = status
    })
    return createServer(app.callback())
  },
  fastify: async (load) => {
    const [fastify, { fallbackCache }] = await Promise.all([load('fastify'), import('fallback-cache/fastify')])
    const app = fastify()
    app.register(fallbackCache(OPTIONS))
    /** @param {any} request @param {any} reply */
    const answered = (request, reply) => {
      const { status, body } = answerOf(request.method)
      reply.code(status).type('application/json').send(body)
    }
    app.get('/page', answered)
    app.post('/page', answered)
    await app.ready()
    return app.server
  },
  hono: async () => {
    const [{ app }, { createAdaptorServer }] = await Promise.all([honoApplication(), import('@hono/node-server')])
    return /** @type {import('node:http').Server} */ (createAdaptorServer({ fetch: app.fetch }))
  },
  'hono-fetch': async () => {
    const { app, cached } = await honoApplication()
    return /** @type {any} */ (servedByFetch(cached.fetch(app)))
  },
  next: async (load, cached) => {
    const project = resolve(folder)
    buildWithNext(project)
    const pages = (await load('next'))({ dev: false, dir: project })
    await pages.prepare()
    const handle = pages.getRequestHandler()
    return createServer((request, response) => cached(request, response, () => handle(request, response)))
  },
  nestjs: async (load) => {
    const { Cached, FallbackCacheModule } = await import('fallback-cache/nestjs')
    const { NestFactory } = await load('@nestjs/core')
    const { App, Pages } = await nestModule(load, [FallbackCacheModule.forRoot()])
    decorate(Pages, 'show', Cached(OPTIONS))
    const app = await NestFactory.create(App, { logger: ['error'] })
    await app.init()
    return app.getHttpServer()
  },
  'nestjs-fastify': async (load) => {
    const { fallbackCache } = await import('fallback-cache/fastify')
    const { NestFactory } = await load('@nestjs/core')
    const { FastifyAdapter } = await load('@nestjs/platform-fastify')
    const { App } = await nestModule(load, [])
    const app = await NestFactory.create(App, new FastifyAdapter(), { logger: ['error'] })
    await app.register(fallbackCache(OPTIONS))
    await app.init()
    await app.getHttpAdapter().getInstance().ready()
    return app.getHttpServer()
  },
}

/** An application of Hono with the page. */
async function honoApplication() {
  const [{ Hono }, { fallbackCache }] = await Promise.all([import('hono'), import('fallback-cache/hono')])
  const app = /** @type {import('hono').Hono<import('fallback-cache/hono').HonoEnv>} */ (new Hono())
  const cached = fallbackCache(OPTIONS)
  app.use(cached)
  /** @param {any} c */
  const answered = (c) => {
    const made = answerOf(c.req.method)
    return c.body(made.body ?? null, made.status, { 'Content-Type': 'application/json' })
  }
  app.get('/page', answered)
  app.post('/page', answered)
  return { app, cached }
}

/** The server of Bun or Deno, with the two methods of a server of Node.js that are used here. @param {(request: Request, info?: object) => Promise<Response>} fetch */
function servedByFetch(fetch) {
  const { Bun, Deno } = /** @type {any} */ (globalThis)
  let port = 0
  return {
    address: () => ({ port }),
    /** @param {number} wanted @param {string} hostname @param {() => void} done */
    listen(wanted, hostname, done) {
      if (Bun !== undefined) {
        port = Bun.serve({ port: wanted, hostname, fetch }).port
        done()
        return
      }
      const onListen = (/** @type {{ readonly port: number }} */ at) => {
        port = at.port
        done()
      }
      Deno.serve({ port: wanted, hostname, onListen }, fetch)
    },
  }
}

/** An application of Next.js in a folder, built. @param {string} project */
function buildWithNext(project) {
  mkdirSync(join(project, 'pages/api'), { recursive: true })
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true }))
  const program = [
    'let runs = 0',
    'export default function page(request, response) {',
    '  if (request.method === "POST") return response.status(204).end()',
    '  response.setHeader("Content-Type", "application/json")',
    '  response.end(JSON.stringify({ run: ++runs }))',
    '}',
  ]
  writeFileSync(join(project, 'pages/api/page.js'), program.join('\n'))
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' }
  execFileSync(process.execPath, ['node_modules/next/dist/bin/next', 'build'], { cwd: project, env, stdio: 'ignore' })
}

/** @type {import('fallback-cache/koa').MiddlewareOptions} */
const OPTIONS_OF_KOA = { ttl: 60 }

/** @type {import('fallback-cache/express').MiddlewareOptions} */
const OPTIONS = { ttl: 60, ...(process.env.INPUTS === 'false' ? { inputs: false } : {}) }

const open = SERVERS[framework]
if (open === undefined) throw new Error(`no such framework: ${framework}`)

/** Next.js keeps what answers with data below `/api`. */
const PATH = framework === 'next' ? '/api/page' : '/page'

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
const wanted = '200 {"run":1} false, 200 {"run":1} true, 204  false, 200 {"run":2} false'
if (told !== wanted) throw new Error(`answered: ${told}\nwanted: ${wanted}`)
console.log('works')
process.exit(0)

/** A module of NestJS with a controller of the page, without the syntax of decorators. @param {(name: string) => Promise<any>} load @param {readonly unknown[]} imports */
async function nestModule(load, imports) {
  const { Controller, Get, HttpCode, Module, Post } = await load('@nestjs/common')
  class Pages {
    show() {
      return answerOf('GET').body
    }
    change() {}
  }
  Controller('page')(Pages)
  decorate(Pages, 'show', Get())
  decorate(Pages, 'change', Post())
  decorate(Pages, 'change', HttpCode(204))
  class App {}
  Module({ imports, controllers: [Pages] })(App)
  return { App, Pages }
}

/** @param {{ readonly prototype: object }} of @param {string} method @param {(...target: any[]) => unknown} decorator */
function decorate({ prototype }, method, decorator) {
  decorator(prototype, method, Object.getOwnPropertyDescriptor(prototype, method))
}

/** What the handler answers; a GET counts its runs. @param {string | undefined} method */
function answerOf(method) {
  return method === 'POST' ? { status: 204, body: undefined } : { status: 200, body: JSON.stringify({ run: ++runs }) }
}

/** @param {string} method */
async function ask(method) {
  const answer = await fetch(`http://127.0.0.1:${port}${PATH}`, { method, headers: { Connection: 'close' } })
  const hit = /; hit/.test(answer.headers.get('cache-status') ?? '')
  return { status: answer.status, text: await answer.text(), hit }
}

/** The package of that name in the folder. @param {string} name */
async function load(name) {
  const path = createRequire(pathToFileURL(`${resolve(folder)}/`)).resolve(name)
  const loaded = await import(pathToFileURL(path).href)
  return loaded.default ?? loaded
}
