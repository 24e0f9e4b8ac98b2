import type { OpenedRedis } from './opened-redis.js'

/** One invalidation of the log. */
export interface ReadableRecord {
  /** Microseconds of the Redis clock; increases from record to record. */
  readonly position: number
  /** In the format of the log: `s` if soft, a letter for the kind, the name; empty for a note of the log itself. */
  readonly covers: readonly string[]
}

/**
 * Reads records of the log: the newest ones before `before`, or the oldest ones after `after`; in ascending order.
 *
 * @throws CacheError if Redis fails
 */
export async function readRecords(
  redis: OpenedRedis,
  { after, count }: { readonly after?: number | undefined; readonly count: number },
): Promise<readonly ReadableRecord[]> {
  const name = redis.ownName('log')
  if (after === undefined) {
    const reply = await redis.send(name, ['XREVRANGE', name, '+', '-', 'COUNT', String(count)])
    return list(reply).map(toRecord).reverse()
  }
  const reply = await redis.send(name, ['XRANGE', name, `${after}-1`, '+', 'COUNT', String(count)])
  return list(reply).map(toRecord)
}

function toRecord(item: unknown): ReadableRecord {
  const [id, fields] = list(item)
  const pairs = list(fields).map(String)
  const pick = (field: string): string | undefined => pairs.find((_, at) => at % 2 === 1 && pairs[at - 1] === field)
  return { position: Number(String(id).split('-', 1)[0]), covers: coversIn(pick('s') ?? pick('c')) }
}

/** A record that cannot be read counts as one of everything. */
function coversIn(text: string | undefined): readonly string[] {
  try {
    const covers: unknown = JSON.parse(text ?? '')
    return Array.isArray(covers) ? covers.map(String) : ['a']
  } catch {
    return ['a']
  }
}

function list(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}
