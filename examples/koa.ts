import { createHash } from 'node:crypto'
import { Router } from '@koa/router'
import { fallbackCache } from 'fallback-cache/koa'
import Koa from 'koa'

// npx tsx examples/koa.ts, then: curl -i localhost:3002/digests/hello
// With REDIS_URL=redis://localhost the answers live in Redis too, and go on when it dies.

const cached = fallbackCache({ ttl: '5m', redis: process.env.REDIS_URL, group: 'digests' })
const salts = new Map<string, string>()
const router = new Router()

router.get('/digests/:text', cached, (ctx) => {
  const text = String(ctx.params.text)
  ctx.body = { text, digest: slowDigest(text) }
})

router.put('/digests/:text/salt/:salt', async (ctx) => {
  const text = String(ctx.params.text)
  salts.set(text, String(ctx.params.salt))
  await cached.invalidate(`/digests/${text}`)
  ctx.status = 204
})

const app = new Koa()
app.use(router.routes())
const server = app.listen(Number(process.env.PORT ?? 3002), () => console.log('listening', server.address()))

function slowDigest(text: string): string {
  let digest = (salts.get(text) ?? '') + text
  for (let round = 0; round < 20_000; round++) digest = createHash('sha256').update(digest).digest('hex')
  return digest
}
