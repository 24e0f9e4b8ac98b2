import { createServer } from 'node:http'
import cookieParser from 'cookie-parser'
import express from 'express'
import { fallbackCache } from 'fallback-cache/express'

// node scripts/compat-inputs.mjs: whether two visitors of this runtime get pages of their own, in whichever way a handler of Express
// reads what tells them apart, and whether a page that reads nothing is stored. Ends with an error if not. `npm run compat` runs it.

/** @type {Readonly<Record<string, (request: any, response: any) => unknown>>} */
const READS = {
  field: ({ headers }) => headers['x-a'],
  get: (request) => request.get('x-a'),
  has: ({ headers }) => 'x-a' in headers && headers['x-a'],
  all: ({ headers }) => JSON.stringify(headers),
  copied: ({ headers }) => ({ ...headers })['x-a'],
  listed: ({ headers }) => Object.entries(headers).find(([name]) => name === 'x-a')?.[1],
  raw: ({ rawHeaders }) => rawHeaders[rawHeaders.findIndex((/** @type {string} */ name) => /^x-a$/i.test(name)) + 1],
  rawAll: ({ rawHeaders }) => rawHeaders.join(),
  distinct: ({ headersDistinct }) => headersDistinct['x-a'],
  cookie: ({ headers }) => headers.cookie,
  parsedCookie: ({ cookies }) => cookies.theme,
  query: ({ query }) => query.as,
  url: ({ url }) => url,
  address: ({ ip, socket }) => `${ip} ${socket.remotePort}`,
  port: ({ connection }) => connection.remotePort,
  local: (_request, { locals }) => locals.tenant,
  own: ({ tenant }) => tenant,
  language: (request) => request.acceptsLanguages('de', 'en'),
}

/** The paths that visitors ask for with queries of their own. */
const READS_QUERY = new Set(['query', 'url'])

const app = express()
app.use(cookieParser())
app.use((request, response, next) => {
  response.locals.tenant = request.headers['x-a']
  Object.assign(request, { tenant: request.headers['x-a'] })
  next()
})
app.use(fallbackCache({ ttl: 60 }))
for (const [name, read] of Object.entries(READS)) {
  app.get(`/${name}`, (request, response) => {
    response.send(`page ${read(request, response)}`)
  })
}
app.get('/nothing', (_request, response) => {
  response.send('page')
})
const server = createServer(app)
await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
const address = server.address()
const port = typeof address === 'object' ? address?.port : undefined

const faults = []
for (const name of Object.keys(READS)) {
  const [first, second] = [await ask(name, 'one', 'de'), await ask(name, 'two', 'en')]
  if (first.text === second.text) faults.push(`${name}: both visitors got ${first.text}`)
}
const [, again] = [await ask('nothing', 'one', 'de'), await ask('nothing', 'two', 'en')]
if (!again.isHit) faults.push('a page that reads nothing is not stored')
for (const fault of faults) console.error(fault)
if (faults.length === 0) console.log('works')
process.exit(faults.length === 0 ? 0 : 1)

/** @param {string} path @param {string} visitor @param {string} language */
async function ask(path, visitor, language) {
  // A connection of its own for each, so that their ports differ.
  const fields = { 'X-A': visitor, Cookie: `theme=${visitor}`, 'Accept-Language': language, Connection: 'close' }
  const answer = await fetch(`http://127.0.0.1:${port}/${path}${READS_QUERY.has(path) ? `?as=${visitor}` : ''}`, {
    headers: fields,
  })
  return { text: await answer.text(), isHit: answer.headers.get('cache-status')?.includes('; hit') }
}
