import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { countChangesScript } from '../../src/core/coherence/change-scripts.js'
import type { Cover } from '../../src/core/coherence/cover.js'
import { SharedEntries } from '../../src/core/coherence/shared-entries.js'
import { SharedLog } from '../../src/core/coherence/shared-log.js'
import { newCounters } from '../../src/core/counters.js'
import { CircuitBreaker } from '../../src/core/tiers/circuit-breaker.js'
import { IoredisPort } from '../../src/core/tiers/ioredis-port.js'
import type { IoredisLike, RedisArgument, RedisPort } from '../../src/core/tiers/redis-client.js'
import { RedisTier } from '../../src/core/tiers/redis-tier.js'
import { encodeFrame } from '../../src/core/tiers/wire-frame.js'
import { RedisServer } from '../support/redis-server.js'
import { FakeRedis } from './fake-redis.js'
import { type Reply, Status } from './keyspace.js'
import { Random } from './random.js'
import { Scheduler } from './scheduler.js'

/** Later than any clock of a server, so that positions follow from what was asked and from nothing else. */
const future = 4_000_000_000_000_000

/** The script that appends is told to remember that many prefixes and tags; here few, so that it has to fold. */
const limits = new Map([['10000', '4']])

describe('FakeRedis', () => {
  let server: RedisServer
  let client: IoredisLike

  beforeAll(async () => {
    server = await RedisServer.start()
    client = new Redis({ port: server.port, lazyConnect: true })
    await client.connect()
  })

  afterAll(async () => {
    client.disconnect()
    await server.stop()
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'answers as a redis-server does, to all that the library asks (seed %i)',
    async (seed) => {
      await client.callBuffer('FLUSHALL')
      const real = await transcript(seed, client)
      expect(await transcript(seed, new FakeCaller())).toEqual(real)
      expect(real.length).toBeGreaterThan(100)
    },
  )
})

/** Asks a fake server as if through a client. */
class FakeCaller implements IoredisLike {
  readonly status = 'ready'
  readonly #redis = new FakeRedis(new Scheduler())

  async callBuffer(name: string, ...args: RedisArgument[]): Promise<unknown> {
    return plain(this.#redis.execute([name, ...args].map((part) => Buffer.from(part))))
  }

  async connect(): Promise<void> {}
  disconnect(): void {}
  on(): void {}
  off(): void {}
}

function plain(reply: Reply): unknown {
  if (reply instanceof Status) return Buffer.from(reply.text)
  return Array.isArray(reply) ? reply.map(plain) : reply
}

/** Every command that was sent, and its reply, while the log and the entries are used at random. */
async function transcript(seed: number, client: IoredisLike): Promise<readonly string[]> {
  const lines: string[] = []
  const recorded: IoredisLike = {
    status: 'ready',
    callBuffer: async (name, ...args) => {
      const asked = args.map((arg) => (typeof arg === 'string' ? (limits.get(arg) ?? arg) : arg))
      const reply = await client.callBuffer(name, ...asked).catch((error: Error) => error.message.split(' ')[0])
      if (typeof reply === 'string') {
        if (reply === 'NOSCRIPT') throw new Error(reply)
        lines.push(`${name} -> ${reply}`)
        throw new Error(`${reply} error`)
      }
      lines.push(`${name === 'EVAL' ? 'EVALSHA' : name} ${args.slice(1)} -> ${show(reply)}`)
      return reply
    },
    connect: async () => {},
    disconnect: () => {},
    on: () => {},
    off: () => {},
  }
  const port = new IoredisPort(recorded)
  const log = new SharedLog(port, 'app:', 1000)
  const breaker = new CircuitBreaker(1000, () => {})
  const tier = new RedisTier(
    { port, breaker, clock: systemClock, counters: newCounters() },
    { redisTimeout: 10_000, maxInFlight: 100 },
    { onLateReply: () => {} },
  )
  const settings = { clock: systemClock, keyPrefix: 'app:' }
  const entries = new SharedEntries({ port, settings }, tier, { follow: () => undefined, countsChanges: () => true })
  await useAtRandom(new Random(seed), { log, entries, port }, recorded)
  return lines
}

/** What sends commands and scripts. */
interface Users {
  readonly log: SharedLog
  readonly entries: SharedEntries
  readonly port: RedisPort
}

async function useAtRandom(random: Random, { log, entries, port }: Users, raw: IoredisLike): Promise<void> {
  let incarnation = 'first'
  await log.open(incarnation, future, 'n-0')
  for (let step = 1; step < 120; step++) {
    const nonce = `n-${step}`
    const seen = future + random.below(2000)
    const key = random.pick(['a', 'b', 'ü'])
    const doing = random.weighted({
      append: 30,
      write: 30,
      read: 15,
      since: 10,
      marks: 5,
      whole: 5,
      open: 6,
      rotate: 3,
      evict: 4,
      spoil: 2,
      count: 4,
      ring: 4,
      remove: 3,
    })
    if (doing === 'append') await log.append(incarnation, seen, nonce, covers(random)).catch(() => {})
    else if (doing === 'since') await log.since(seen, 1 + random.below(20)).catch(() => {})
    else if (doing === 'marks') await log.marksFrom(seen - random.below(4000)).catch(() => {})
    else if (doing === 'whole') await log.isWhole(incarnation).catch(() => {})
    else if (doing === 'read') await entries.read(key).catch(() => {})
    else if (doing === 'open') await log.open(incarnation, seen, nonce).catch(() => {})
    else if (doing === 'evict')
      await raw.callBuffer(
        'DEL',
        random.pick([log.headKey, 'app:{fallback-cache}:log', 'app:{fallback-cache}:marks', 'app:a']),
      )
    else if (doing === 'count') await countChangesScript.run(port, [log.headKey], [incarnation])
    else if (doing === 'ring')
      await port.send('app:{fallback-cache}:changes', ['GETRANGE', 'app:{fallback-cache}:changes', '0', '99'])
    else if (doing === 'remove') await entries.remove(key, { incarnation, position: seen }).catch(() => {})
    else if (doing === 'spoil') await raw.callBuffer('SET', random.pick(['app:a', log.headKey]), 'rubbish')
    else if (doing === 'rotate') {
      await log.rotate(incarnation, nonce, seen, nonce).catch(() => {})
      if (random.chance(0.7)) incarnation = nonce
    } else {
      const stamp = { incarnation, position: seen }
      const late = random.chance(0.4) ? { storedAt: random.below(100), goodFrom: seen - random.below(500) } : undefined
      const entry = { staleAt: 1e13, deleteAt: 1e13, body: Buffer.from([0, 255, step % 256]) }
      // The whole log has been read; some of it; or a position that was never given.
      const { records } = await log.since(0, 10).catch(() => ({ records: [] }))
      const applied = (random.chance(0.8) ? records.at(-1) : records[0])?.position ?? seen
      const frame = encodeFrame(entry, random.below(100), { stamp })
      await entries.write(key, frame, { ttl: 1e6, stamp, applied, late }).catch(() => {})
    }
    if (random.chance(0.1))
      incarnation = await log.open(nonce, seen, nonce).then(
        ({ head }) => head.incarnation,
        () => incarnation,
      )
  }
}

function covers(random: Random): readonly Cover[] {
  const all: readonly Cover[] = [
    { kind: 'key', key: 'a' },
    { kind: 'key', key: 'ü' },
    { kind: 'prefix', prefix: random.pick(['a', 'b:', 'ü*', 'c', 'd']), ignoreCase: random.chance(0.5) },
    { kind: 'tag', tag: random.pick(['x', 'y', 'z', '']) },
  ]
  if (random.chance(0.05)) return [{ kind: 'all' }]
  return all.filter(() => random.chance(0.4))
}

/** Everything but the name of the run, which each server makes up for itself, and what its clock says. */
function show(reply: unknown): string {
  if (Array.isArray(reply)) return `[${reply.map(show).join(', ')}]`
  if (!Buffer.isBuffer(reply)) return String(reply)
  const text = reply.toString('latin1')
  return JSON.stringify(text.replace(/\b(run\d+|[0-9a-f]{12})\b/, 'run').replace(/^17\d{14}$/, 'time'))
}
