import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { fallbackCache } from 'fallback-cache/express'

// npx tsx examples/node-http.ts, then: curl -i localhost:3004/digests/hello
// With REDIS_URL=redis://localhost the answers live in Redis too, and go on when it dies.

const cached = fallbackCache({ ttl: '5m', redis: process.env.REDIS_URL, group: 'digests' })
const salts = new Map<string, string>()

const server = createServer((request, response) => {
  // What it calls is called on a miss; a hit is answered.
  cached(request, response, () => answer(request, response))
})
server.listen(Number(process.env.PORT ?? 3004), () => console.log('listening', server.address()))

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, text = '', salt] = /^\/digests\/([^/?]+)(?:\/salt\/([^/?]+))?$/.exec(request.url ?? '') ?? []
  if (request.method === 'GET' && text !== '' && salt === undefined) {
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ text, digest: slowDigest(text) }))
  } else if (request.method === 'PUT' && salt !== undefined) {
    salts.set(text, salt)
    void cached.invalidate(`/digests/${text}`).then(() => response.writeHead(204).end())
  } else {
    response.writeHead(404).end()
  }
}

function slowDigest(text: string): string {
  let digest = (salts.get(text) ?? '') + text
  for (let round = 0; round < 20_000; round++) digest = createHash('sha256').update(digest).digest('hex')
  return digest
}
