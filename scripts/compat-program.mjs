import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fallbackCache } from 'fallback-cache/express'

// node scripts/compat-program.mjs FRAMEWORK [FOLDER]: whether the built middleware works in a framework that is installed in a
// folder. Ends with an error if it does not. `npm run compat` runs it.

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
}

const open = SERVERS[framework]
if (open === undefined) throw new Error(`no such framework: ${framework}`)

let runs = 0
const cached = fallbackCache({ ttl: 60, ...(process.env.INPUTS === 'false' ? { inputs: false } : {}) })
const server = await open(load, cached, (request, response, next) => {
  // Not chained: restify has methods of its own under these names.
  response.statusCode = request.method === 'POST' ? 204 : 200
  response.setHeader('Content-Type', 'application/json')
  response.end(request.method === 'POST' ? undefined : JSON.stringify({ run: ++runs }))
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
