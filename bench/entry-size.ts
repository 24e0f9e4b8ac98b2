import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { fallbackCache } from '../src/middleware/express.js'
import { RedisServer } from '../test/support/redis-server.js'
import { until } from '../test/support/until.js'

// npm run bench:entry-size: what a stored page costs in Redis and in memory, as MEMORY USAGE and stats() say.

const SIZES = [0, 1_000, 10_000, 100_000]
const PAGES = 100

const server = await RedisServer.start()
const cached = fallbackCache({ redis: server.url, ttl: 600 })
const app = express()
app.use(cached)
app.get('/page/:size/:id', (req, res) => {
  res.type('text/html').send(Buffer.alloc(Number(req.params.size), 'x'))
})
const site = createServer(app).listen(0, '127.0.0.1')
await until('listening', () => site.listening)
await until('connected', () => cached.stats().connected)
const { port } = site.address() as AddressInfo

console.log('body in bytes | Redis: MEMORY USAGE of its key | over the body | memory: bytes an entry')
for (const size of SIZES) {
  const before = cached.stats().memoryBytes
  for (let id = 0; id < PAGES; id++) await get(`/page/${size}/${id}`)
  const keys = async () => ((await server.command('KEYS', `/page/${size}/*`)) as string[]).sort()
  await until('in Redis', async () => (await keys()).length === PAGES)
  const [key = ''] = await keys()
  const usage = Number(await server.command('MEMORY', 'USAGE', key, 'SAMPLES', 0))
  const own = Math.round((cached.stats().memoryBytes - before) / PAGES)
  console.log([size, usage, usage - size, own].join(' | '))
}
site.closeAllConnections()
site.close()
await cached.close()
await server.stop()

function get(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ port, path, headers: { host: 'shop.example' } }, (response) => {
      response.resume().once('end', resolve)
    })
      .once('error', reject)
      .end()
  })
}
