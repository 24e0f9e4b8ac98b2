import { FallbackCache } from 'fallback-cache'

// npx tsx examples/values.ts; with REDIS_URL=redis://localhost the values live in Redis too.

const cache = new FallbackCache({ redis: process.env.REDIS_URL, keyPrefix: 'shop:', defaultTtl: '5m' })
let runs = 0

async function salesReport(year: number): Promise<{ year: number; total: number }> {
  runs++
  await new Promise((resolve) => setTimeout(resolve, 200))
  return { year, total: 1_250_000 }
}

const key = FallbackCache.buildKey('report', { year: 2026, quarter: 'Q1' })
console.log('key:', key)

// Ten callers at one time, one run.
const all = await Promise.all(
  Array.from({ length: 10 }, () => cache.getOrSet(key, () => salesReport(2026), { ttl: '1h' })),
)
console.log('answers:', all.length, 'runs:', runs)

await cache.set('report:q2', { total: 990_000 }, { ttl: '1h', tags: ['sales'] })
console.log('q2:', await cache.get('report:q2'))

await cache.invalidateTags(['sales'])
console.log('q2 after invalidateTags:', await cache.get('report:q2'))

await cache.invalidatePrefix('report:')
console.log('q1 after invalidatePrefix:', await cache.get(key))

console.log('memory hits:', cache.stats().counters.memoryHits)
await cache.close()
