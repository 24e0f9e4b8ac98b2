import fc from 'fast-check'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { RedisServer } from '../support/redis-server.js'
import { type Connection, ReplyProxy } from '../support/reply-proxy.js'
import { until } from '../support/until.js'

/** What happens to one reply. */
interface Fault {
  /** So many replies after the fault before. */
  readonly after: number
  readonly kind: 'missing' | 'doubled' | 'surplus' | 'replaced' | 'earlier'
  /** The reply that is surplus, or in the place of the right one. */
  readonly reply: string
}

interface Act {
  readonly name: 'get' | 'getOrSet' | 'set' | 'invalidateKey' | 'invalidatePrefix' | 'get there' | 'invalidate there'
  readonly key: number
}

interface Play {
  readonly faults: readonly Fault[]
  readonly acts: readonly Act[]
}

const KEYS = 4
const TIMEOUT = 150
/** Acts that run at one time. */
const AT_ONCE = 3

const texts = fc.oneof(
  fc.constantFrom('OK', 'PONG', 'written', 'behind', 'open', '0', '1', '1 x 1 x 0 1 -', '*', ''),
  fc.string({ maxLength: 8 }),
)
const { reply } = fc.letrec<{ reply: string; list: string }>((tie) => ({
  reply: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('$-1\r\n', '*-1\r\n', '_\r\n', '#t\r\n', ',1.5\r\n', '*0\r\n', '%0\r\n'),
    fc.integer().map((number) => `:${number}\r\n`),
    texts.map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`),
    fc.constantFrom('OK', 'PONG', 'QUEUED').map((text) => `+${text}\r\n`),
    fc
      .constantFrom('ERR', 'NOSCRIPT', 'LOADING', 'READONLY', 'OOM', 'NOPERM', 'MOVED 1 127.0.0.1:1', 'BUSY', '')
      .map((code) => `-${code} as a test\r\n`),
    tie('list'),
  ),
  list: fc.array(tie('reply'), { maxLength: 4 }).map((items) => `*${items.length}\r\n${items.join('')}`),
}))

/** Some operations of a process whose replies are mangled, and of one whose replies are not. */
export const plays: fc.Arbitrary<Play> = fc.record({
  faults: fc.array(
    fc.record({
      after: fc.nat(12),
      kind: fc.constantFrom('missing', 'doubled', 'surplus', 'replaced', 'earlier'),
      reply,
    }),
    { minLength: 1, maxLength: 5 },
  ),
  acts: fc.array(
    fc.record({
      name: fc.constantFrom(
        'get',
        'get',
        'getOrSet',
        'getOrSet',
        'set',
        'invalidateKey',
        'invalidatePrefix',
        'get there',
        'invalidate there',
      ),
      key: fc.nat(KEYS - 1),
    }),
    { minLength: 6, maxLength: 24 },
  ),
})

/** A Redis, and a proxy that mangles what it answers. */
export class Mangled {
  readonly #server: RedisServer
  readonly #proxy: ReplyProxy
  readonly #there: FallbackCache
  #faults: Fault[] = []
  #left = 0
  #plays = 0

  static async open(): Promise<Mangled> {
    const server = await RedisServer.start()
    let mangled: Mangled | undefined
    const proxy = await ReplyProxy.start(server.port, (one, at) => mangled?.mangle(one, at) ?? [one])
    mangled = new Mangled(server, proxy)
    return mangled
  }

  private constructor(server: RedisServer, proxy: ReplyProxy) {
    this.#server = server
    this.#proxy = proxy
    this.#there = new FallbackCache({ redis: server.url, redisTimeout: 2000 })
  }

  async close(): Promise<void> {
    await this.#there.close()
    await this.#proxy.close()
    await this.#server.stop()
  }

  mangle(one: Buffer, at: Connection): readonly Buffer[] {
    const { last } = at
    at.last = one
    const [fault] = this.#faults
    if (fault === undefined || this.#left-- > 0) return [one]
    this.#faults.shift()
    this.#left = this.#faults[0]?.after ?? 0
    switch (fault.kind) {
      case 'missing':
        return []
      case 'doubled':
        return [one, one]
      case 'surplus':
        return [Buffer.from(fault.reply), one]
      case 'replaced':
        return [Buffer.from(fault.reply)]
      case 'earlier':
        return [last ?? one]
    }
  }

  /** What is wrong with the answers; empty for nothing. Every value names its key and how often that had been invalidated. */
  async play({ faults, acts }: Play): Promise<readonly string[]> {
    const wrong: string[] = []
    const prefix = `p${this.#plays++}:`
    const versions = Array.from({ length: KEYS }, () => 0)
    const bound = { here: [...versions], there: [...versions] }
    const here = new FallbackCache({
      redis: this.#proxy.url,
      redisTimeout: TIMEOUT,
      maxEntries: 3,
      logger: SILENT,
      circuitBreaker: { cooldown: 0.2 },
    })
    const name = (key: number): string => `${prefix}${key}:`
    const check = (key: number, got: unknown, least: number, where: string): void => {
      const [of, version] = String(got).split(' ')
      if (of !== name(key)) wrong.push(`${where}: ${JSON.stringify(got)} for ${name(key)}`)
      else if (Number(version) < least) wrong.push(`${where}: ${String(got)}, though invalidated ${least} times`)
    }
    const act = async ({ name: verb, key }: Act): Promise<void> => {
      const isThere = verb.endsWith('there')
      const cache = isThere ? this.#there : here
      const least = (isThere ? bound.there : bound.here)[key] ?? 0
      const text = (): string => `${name(key)} ${versions[key]}`
      if (verb === 'set') return here.set(name(key), text(), { since: here.mark() })
      if (verb === 'getOrSet') return check(key, await here.getOrSet(name(key), text), least, verb)
      if (verb === 'get' || verb === 'get there') {
        const got = await cache.get(name(key))
        // By what another process invalidated this one is bound while it is connected only, which is asked at the end.
        if (got !== null) check(key, got, least, verb)
        return
      }
      const version = (versions[key] ?? 0) + 1
      versions[key] = version
      const { durable } = await (verb === 'invalidatePrefix'
        ? cache.invalidatePrefix(name(key))
        : cache.invalidateKey(name(key)))
      if (!isThere) bound.here[key] = Math.max(version, bound.here[key] ?? 0)
      if (isThere || durable) bound.there[key] = Math.max(version, bound.there[key] ?? 0)
    }
    try {
      await until('both are connected', () => here.stats().connected && this.#there.stats().connected)
      for (let key = 0; key < KEYS; key++) await this.#there.set(name(key), `${name(key)} 0`)
      this.#faults = [...faults]
      this.#left = faults[0]?.after ?? 0
      for (let at = 0; at < acts.length; at += AT_ONCE) await Promise.all(acts.slice(at, at + AT_ONCE).map(act))
      this.#faults = []
      for (let key = 0; key < KEYS; key++) {
        const least = Math.max(bound.here[key] ?? 0, bound.there[key] ?? 0)
        const got = [await connectedAnswer(here, name(key)), await this.#there.get(name(key))]
        for (const answer of got) if (answer !== null) check(key, answer, least, 'at the end')
      }
    } catch (thrown) {
      wrong.push(String(thrown))
    } finally {
      this.#faults = []
      await here.close()
    }
    return wrong
  }
}

/** What a process answers that knows what others invalidated: not what it has while it is cut off, which it may not have noticed yet. */
async function connectedAnswer(cache: FallbackCache, key: string): Promise<unknown> {
  const { answer } = await until(
    'it answers as a connected process',
    async () => {
      const before = cache.stats().counters.servedWhileDisconnected
      const found = await cache.get(key)
      const { connected, counters } = cache.stats()
      return connected && counters.servedWhileDisconnected === before && { answer: found }
    },
    { timeout: 15_000 },
  )
  return answer
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Plays operations whose replies are mangled, and stops at the first fault, made as small as it gets. */
export async function fuzzReplies(
  cases: number,
  seed: number,
): Promise<{ readonly counts: Readonly<Record<string, number>>; readonly faults: readonly string[] }> {
  const mangled = await Mangled.open()
  const counts = { plays: 0, acts: 0, faults: 0 }
  const property = fc.asyncProperty(plays, async (play) => {
    counts.plays += 1
    counts.acts += play.acts.length
    counts.faults += play.faults.length
    const wrong = await mangled.play(play)
    if (wrong.length > 0) throw new Error(wrong.join('; '))
  })
  try {
    const { failed, counterexample, errorInstance } = await fc.check(property, { numRuns: cases, seed })
    return { counts, faults: failed ? [`${JSON.stringify(counterexample)}: ${String(errorInstance)}`] : [] }
  } finally {
    await mangled.close()
  }
}
