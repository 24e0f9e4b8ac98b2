import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { decodeHead } from '../tiers/wire-frame.js'
import { type Counted, type Meet, MOST_COUNTED } from './covered-entries.js'
import { entryKey, ownName } from './names.js'

/** Keys of a page of Redis; keys read at once. */
const PAGE_SIZE = 500
const AT_ONCE = 50
/** Number of bytes read of an entry: they contain its first line and, unless there are many, its tags. */
const HEAD_BYTES = 1024

/** The Redis that entries are counted in. */
interface CountedRedis {
  readonly port: RedisPort
  readonly tier: RedisTier
  readonly keyPrefix: string
  /** The current life of the log: entries of another one are not usable. */
  readonly incarnation: string
}

/** Counts the entries in Redis that `meet` finds covered. Bounded; nothing is changed. Never rejects. */
export async function countInRedis({ port, tier, keyPrefix, incarnation }: CountedRedis, meet: Meet): Promise<Counted> {
  const own = ownName(keyPrefix, 'log').slice(0, -'log'.length)
  let count = 0
  const look = async (name: string): Promise<void> => {
    const bytes = await port.send(name, ['GETRANGE', name, '0', String(HEAD_BYTES - 1)]).catch(() => undefined)
    const head = Buffer.isBuffer(bytes) ? decodeHead(bytes) : undefined
    if (head === undefined || head.deleteAt === 0 || head.stamp.incarnation !== incarnation) return
    count += meet(entryKey(keyPrefix, name), head.tags ?? [])
  }
  let seen = 0
  try {
    for (let cursor: string | undefined; ; ) {
      const from = cursor
      const page = await tier.run(() => port.scan(keyPrefix, PAGE_SIZE, from), 'sweep')
      const names = page.keys.filter((name) => !name.startsWith(own))
      for (let at = 0; at < names.length; at += AT_ONCE) {
        await tier.run(() => Promise.all(names.slice(at, at + AT_ONCE).map(look)), 'sweep')
      }
      seen += names.length
      cursor = page.cursor
      if (cursor === undefined) return { count, isComplete: true }
      if (seen >= MOST_COUNTED) return { count, isComplete: false }
    }
  } catch {
    return { count, isComplete: false }
  }
}
