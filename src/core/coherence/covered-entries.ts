import type { CoveredCount } from '../receipt.js'
import type { MemoryTier } from '../tiers/memory-tier.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { decodeHead } from '../tiers/wire-frame.js'
import { type Cover, isCovered } from './cover.js'
import { entryKey, ownName } from './names.js'

/** Maximum number of keys looked at, in memory and in Redis each. */
const mostKeys = 50_000
/** Keys of a page of Redis; keys read at once; keys of memory looked at before other work is let through. */
const pageSize = 500
const atOnce = 50
const memoryStep = 1000
/** Maximum number of names in a sample. */
const mostNames = 20
/** Number of bytes read of an entry: they contain its first line and, unless there are many, its tags. */
const headBytes = 1024

/** The Redis that entries are counted in. */
export interface CountedRedis {
  readonly port: RedisPort
  readonly tier: RedisTier
  readonly keyPrefix: string
  /** The current life of the log: entries of another one are not usable. */
  readonly incarnation: string
}

/** Counts the entries that covers name, by their names and tags. Bounded; nothing is changed. Never rejects. */
export async function countCovered(
  covers: readonly Cover[],
  memory: MemoryTier,
  redis: CountedRedis | undefined,
): Promise<CoveredCount> {
  const sample = new Set<string>()
  const meet = (key: string, tags: readonly string[]): number => {
    if (!covers.some((cover) => isCovered(cover, key, tags))) return 0
    if (sample.size < mostNames) sample.add(key)
    return 1
  }
  const keys = memory.keys()
  let inMemory = 0
  for (const [index, key] of keys.slice(0, mostKeys).entries()) {
    if (index % memoryStep === memoryStep - 1) await new Promise((resolve) => setImmediate(resolve))
    const slot = memory.peek(key)
    if (slot !== undefined) inMemory += meet(key, slot.entry.tags)
  }
  const found = redis === undefined ? { count: 0, isComplete: true } : await countInRedis(redis, meet)
  const isComplete = found.isComplete && keys.length <= mostKeys
  return { memory: inMemory, redis: found.count, sample: [...sample], isComplete }
}

async function countInRedis(
  { port, tier, keyPrefix, incarnation }: CountedRedis,
  meet: (key: string, tags: readonly string[]) => number,
): Promise<{ readonly count: number; readonly isComplete: boolean }> {
  const own = ownName(keyPrefix, 'log').slice(0, -'log'.length)
  let count = 0
  const look = async (name: string): Promise<void> => {
    const bytes = await port.send(name, ['GETRANGE', name, '0', String(headBytes - 1)]).catch(() => undefined)
    const head = Buffer.isBuffer(bytes) ? decodeHead(bytes) : undefined
    if (head === undefined || head.deleteAt === 0 || head.stamp.incarnation !== incarnation) return
    count += meet(entryKey(keyPrefix, name), head.tags ?? [])
  }
  let seen = 0
  try {
    for (let cursor: string | undefined; ; ) {
      const from = cursor
      const page = await tier.run(() => port.scan(keyPrefix, pageSize, from), 'sweep')
      const names = page.keys.filter((name) => !name.startsWith(own))
      for (let at = 0; at < names.length; at += atOnce) {
        await tier.run(() => Promise.all(names.slice(at, at + atOnce).map(look)), 'sweep')
      }
      seen += names.length
      cursor = page.cursor
      if (cursor === undefined) return { count, isComplete: true }
      if (seen >= mostKeys) return { count, isComplete: false }
    }
  } catch {
    return { count, isComplete: false }
  }
}
