import { createClient as c6 } from 'redis'
import { createClient as c4 } from 'redis4'
import { createClient as c5 } from 'redis5'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { ChaosProxy } from './chaos-proxy.js'
import { runLoad } from './load.js'
import { RedisServer } from './redis-server.js'

const mk: any = { 4: c4, 5: c5, 6: c6 }
const which = process.argv[2] ?? '5'
const mode = process.argv[3] ?? 'reset'
const withCache = process.argv[4] !== 'bare'
const one = async (i: number) => {
  const server = await RedisServer.start()
  const proxy = await ChaosProxy.start({ port: server.port })
  const client = mk[which]({ url: proxy.url })
  const log: string[] = []
  const t0 = performance.now()
  for (const e of ['connect', 'ready', 'reconnecting', 'end', 'error'])
    client.on(e, (x: any) => log.push(`${Math.round(performance.now() - t0)} ${e} ${x?.message ?? ''}`))
  client.connect().catch((e: any) => log.push('connect rejected ' + e.message))
  const cache = withCache ? new FallbackCache({ redis: client }) : undefined
  cache?.on('circuit', (x) => log.push(`${Math.round(performance.now() - t0)} circuit ${x.from}->${x.to}`))
  cache?.on('outage', (x) =>
    log.push(`${Math.round(performance.now() - t0)} outage ${x.cause?.message} ${(x.cause as any)?.cause?.message}`),
  )
  const e0 = (cache as any)?.emit
  void e0
  cache?.on('recovery', () => log.push(`${Math.round(performance.now() - t0)} recovery`))
  await new Promise((r) => setTimeout(r, 300))
  if (mode === 'reset') proxy.resetEvery(100)
  else proxy.cutAfter(500)
  if (cache) await runLoad(cache, undefined, { duration: 2500, rate: 150 })
  else {
    const t = setInterval(() => {
      if (client.isReady)
        client
          .sendCommand(['EVAL', 'return {string.rep("x", 300),string.rep("x", 300)}', '0'], { returnBuffers: true })
          .catch(() => {})
    }, 5)
    await new Promise((r) => setTimeout(r, 2500))
    clearInterval(t)
  }
  await proxy.restore()
  log.push(`${Math.round(performance.now() - t0)} RESTORED`)
  await new Promise((r) => setTimeout(r, 6000))
  const ok = cache ? cache.stats().connected : client.isReady
  const pong = await Promise.race([
    client.ping().catch((e: any) => String(e)),
    new Promise((r) => setTimeout(() => r('NO PONG'), 1000)),
  ])
  console.log('ping:', pong)
  if (!ok)
    console.log(
      i,
      'NOT RECOVERED',
      'isReady',
      client.isReady,
      'isOpen',
      client.isOpen,
      'conns',
      proxy.connections,
      cache?.stats().circuitBreakerState,
      '\n  ' + log.slice(-14).join('\n  '),
    )
  else console.log(i, 'ok')
  await cache?.close()
  try {
    client.destroy ? client.destroy() : await client.disconnect()
  } catch {}
  await proxy.close()
  await server.stop()
}
process.on('unhandledRejection', (e) => console.log('UNHANDLED', e))
await Promise.all(Array.from({ length: Number(process.argv[5] ?? 10) }, (_, i) => one(i)))
process.exit()
