import { createHash } from 'node:crypto'
import express from 'express'
import { fallbackCache } from 'fallback-cache/express'

// npx tsx examples/express.ts, then: curl -i localhost:3001/digests/hello
// With REDIS_URL=redis://localhost the answers live in Redis too, and go on when it dies.

const cached = fallbackCache({ ttl: '5m', redis: process.env.REDIS_URL, group: 'digests' })
const salts = new Map<string, string>()
const app = express()

app.get('/digests/:text', cached, (req, res) => {
  res.json({ text: req.params.text, digest: slowDigest(req.params.text) })
})

app.put('/digests/:text/salt/:salt', async (req, res) => {
  salts.set(req.params.text, req.params.salt)
  await cached.invalidate(`/digests/${req.params.text}`)
  res.sendStatus(204)
})

const server = app.listen(Number(process.env.PORT ?? 3001), () => console.log('listening', server.address()))

function slowDigest(text: string): string {
  let digest = (salts.get(text) ?? '') + text
  for (let round = 0; round < 20_000; round++) digest = createHash('sha256').update(digest).digest('hex')
  return digest
}
