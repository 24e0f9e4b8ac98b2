import { afterEach, describe, expect, it, vi } from 'vitest'
import { Ownership } from '../../src/core/coherence/ownership.js'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { FakeClient } from './fake-client.js'
import { FakeRedis } from './fake-redis.js'
import { Random } from './random.js'
import { ProcessClock, Scheduler } from './scheduler.js'

const KEYS = Array.from({ length: 20 }, (_, index) => `k${index}`)

/** What a process reads that has nothing in memory, as `key: value`, after something has happened. */
async function readAll(happens: (redis: FakeRedis, client: FakeClient) => void): Promise<readonly string[]> {
  const scheduler = new Scheduler()
  const redis = new FakeRedis(scheduler)
  const random = new Random(1)
  const start = () => {
    const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
    return {
      client,
      cache: new FallbackCache({ redis: client, clock: new ProcessClock(scheduler, 0, 0), defaultTtl: 3600 }),
    }
  }
  const [writer, reader] = [start(), start()]
  await scheduler.runUntil(1_000)
  for (const key of KEYS) void writer.cache.set(key, `of ${key}`)
  await scheduler.runUntil(1_100)
  happens(redis, reader.client)
  const found: string[] = []
  for (const key of KEYS) {
    void reader.cache.get(key).then((value) => found.push(`${key}: ${value}`))
    await scheduler.runUntil(scheduler.now + 1)
  }
  await scheduler.runUntil(10_000)
  expect(found).toHaveLength(KEYS.length)
  return found.filter((one) => !one.endsWith(': null'))
}

const wrong = (found: readonly string[]) =>
  found.filter((one) => {
    const [key, value] = one.split(': ')
    return value !== `of ${key}`
  })

const faults: readonly [string, (redis: FakeRedis, client: FakeClient) => void][] = [
  ['one was copied to another key', (redis) => copy(redis, 'k1', 'k2')],
  // A read takes two replies, the head of the log and the entry: one alone is noticed by its form.
  ['the replies of one read go missing', (_redis, client) => client.loseReplies(2)],
]

function copy(redis: FakeRedis, from: string, to: string): void {
  const bytes = redis.execute([Buffer.from('GET'), Buffer.from(from)])
  redis.execute([Buffer.from('SET'), Buffer.from(to), bytes as Buffer])
}

describe('the label in each entry', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it.each(faults)('keeps the entries of keys apart when %s', async (_what, happens) => {
    expect(wrong(await readAll(happens))).toEqual([])
  })

  it.each(faults)('is needed when %s', async (_what, happens) => {
    vi.spyOn(Ownership.prototype, 'judge').mockReturnValue('own')
    expect(wrong(await readAll(happens))).not.toEqual([])
  })
})
