import type { Cover } from '../../src/core/coherence/cover.js'
import type { FallbackCache, Invalidation } from '../../src/core/fallback-cache.js'
import type { Found } from '../../src/core/found.js'
import type { RunMark } from '../../src/core/mark.js'
import type { StoreResult } from '../../src/core/two-tier-writer.js'
import type { Release } from '../support/other-protocol.js'
import type { FakeClient } from './fake-client.js'
import type { History, Issued, Reading, Run, Witness } from './history.js'
import type { ProcessClock, Scheduler } from './scheduler.js'
import { type Key, tagsOf, type Value } from './truth.js'

/** How a process is set up. Times in ms. */
export interface Setup {
  readonly redisTimeout: number
  readonly cooldown: number
  readonly threshold: number
  /** What users were promised. */
  readonly maxStale: number
  /** What the library is told instead, to break the rule. */
  readonly allowedStale?: number
  readonly maxHandlerTime: number
  /** 0 for Redis first. */
  readonly lease: number
  /** Whether memory answers what Redis confirms, if there is no lease. */
  readonly confirms: boolean
  readonly maxEntries: number
  readonly maxMirrorBytes: number
  readonly maxJournalBytes: number
  readonly isRoomy: boolean
  /** Whether wall clocks are wrong in this run. */
  readonly skews: boolean
  /** Breaks a rule: the mark is taken when the handler has finished. */
  readonly marksAtCompletion: boolean
}

/** What a process runs with and on. */
export interface Surroundings {
  readonly scheduler: Scheduler
  readonly history: History
  readonly clock: ProcessClock
  readonly client: FakeClient
  readonly release: Release
}

/** Time a promise may take beyond what was promised: steps that share a moment of virtual time. */
const slack = 1

/** A value as it is stored. Those of some keys are large, for a reader who has one asks Redis in another way. */
function textOf(value: Value): string {
  const text = JSON.stringify(value)
  return value.key === 'a:2' || value.key === 'B:1' ? text.padEnd(10_000) : text
}

/** An application process with the real library in it, which tells the history what it does and gets. */
export class SimulatedProcess implements Witness {
  readonly name: string
  readonly lease: number
  readonly confirms: boolean
  readonly promisesOrder: boolean
  readonly maxStale: number
  readonly isRoomy: boolean
  readonly clock: ProcessClock
  readonly client: FakeClient
  readonly cache: FallbackCache
  readonly #scheduler: Scheduler
  readonly #history: History
  readonly #setup: Setup
  readonly release: Release
  readonly #unsettled = new Set<string>()
  #outages = 0
  isDead = false
  /** How many entries have been given other content. */
  amended = 0

  constructor(name: string, setup: Setup, { scheduler, history, clock, client, release }: Surroundings) {
    this.name = name
    this.lease = setup.lease
    this.confirms = setup.confirms && setup.lease === 0
    this.promisesOrder = this.confirms && !setup.skews
    this.maxStale = setup.maxStale
    this.isRoomy = setup.isRoomy
    this.clock = clock
    this.client = client
    this.#setup = setup
    this.#scheduler = scheduler
    this.#history = history
    this.release = release
    this.cache = new release.FallbackCache({
      redis: client,
      clock,
      keyPrefix: 'app:',
      serializer: (value) => textOf(value as Value),
      redisTimeout: setup.redisTimeout,
      circuitBreaker: { threshold: setup.threshold, cooldown: setup.cooldown / 1000 },
      maxStaleWhileDisconnected: (setup.allowedStale ?? setup.maxStale) / 1000,
      maxHandlerTime: setup.maxHandlerTime / 1000,
      maxEntries: setup.maxEntries,
      maxMirrorBytes: setup.maxMirrorBytes,
      maxJournalBytes: setup.maxJournalBytes,
      ...(this.confirms ? { read: 'confirmed' } : {}),
      ...(setup.lease > 0 ? { read: 'memory-first', lease: setup.lease / 1000 } : {}),
    })
    this.cache.on('outage', ({ cause }) => {
      this.#outages++
      history.note(() => `${name} is cut off: ${cause?.message}`)
    })
    this.cache.on('recovery', ({ replayed, writeBack }) => {
      history.note(() => `${name} recovers: ${replayed} replayed, ${writeBack} to write back`)
      history.recovered(this)
    })
    this.cache.on('circuit', ({ from, to }) => history.note(() => `${name} circuit ${from} -> ${to}`))
  }

  get engine(): ReturnType<Release['engineOf']> {
    return this.release.engineOf(this.cache)
  }

  get isConnected(): boolean {
    return this.cache.stats().connected
  }

  /** Looks a key up, and tells what it found and whether Redis could be asked. */
  async find(key: Key): Promise<Found | undefined> {
    const reading = this.#history.read(this, key, 'find')
    const wasConnected = this.isConnected
    const troubles = this.#troubles()
    const found = await this.#timed('find', 2 * this.#setup.redisTimeout, async () => this.engine.find(key))
    if (this.isDead) return undefined
    const isConnected = wasConnected && this.isConnected
    const hadTrouble = troubles !== this.#troubles() || !isConnected
    this.#history.judge(reading, {
      value: found === undefined ? undefined : (JSON.parse(found.entry.body.toString()) as Value),
      tier: found?.tier ?? 'memory',
      isConnected: found === undefined ? isConnected : !found.disconnected,
      hadTrouble,
      softened: found?.softened === true,
    })
    return found
  }

  /** Looks a value up, as users do. */
  async get(key: Key): Promise<void> {
    const reading = this.#history.read(this, key, 'get')
    const wasConnected = this.isConnected
    const troubles = this.#troubles()
    const value = await this.#timed('get', 2 * this.#setup.redisTimeout, () => this.cache.get<Value>(key))
    if (!this.isDead) this.#judgeUnsure(reading, value ?? undefined, wasConnected, troubles)
  }

  /** Looks a value up and computes it when there is none. */
  async getOrSet(key: Key, duration: number, ttl: number): Promise<void> {
    const reading = this.#history.read(this, key, 'getOrSet')
    const wasConnected = this.isConnected
    const troubles = this.#troubles()
    const compute = async (): Promise<Value> => {
      const run = this.#history.start(this, key)
      await this.#pause(duration)
      this.#history.finish(run, ttl, 'given to getOrSet')
      return run.value
    }
    // It may wait for the turn of another process first, and for what that makes.
    const limit = 4 * this.#setup.redisTimeout + 3 * longestRun
    const value = await this.#timed('getOrSet', limit, () =>
      this.cache.getOrSet(key, compute, { ttl: ttl / 1000, tags: tagsOf[key] }),
    )
    if (!this.isDead) this.#judgeUnsure(reading, value, wasConnected, troubles)
  }

  /** Runs a handler and keeps its result, as the HTTP layer does. */
  async handle(key: Key, duration: number, ttl: number): Promise<void> {
    let mark = this.engine.mark()
    const run = this.#history.start(this, key)
    await this.#pause(duration)
    if (this.isDead) return
    if (this.#setup.marksAtCompletion) mark = this.engine.mark()
    const kept = this.#keep(run, mark, ttl)
    if (run.number % 2 === 0) await this.#amend(run, kept, duration)
  }

  /** Sets a value that was just read from the database. */
  async set(key: Key, ttl: number): Promise<void> {
    const run = this.#history.start(this, key)
    run.assignedAt = undefined
    const limit = 2 * this.#setup.redisTimeout
    const setting = this.#timed('set', limit, () =>
      this.cache.set(key, run.value, { ttl: ttl / 1000, tags: tagsOf[key] }),
    )
    this.#history.finish(run, ttl, 'given to set')
    await setting
    this.#history.assigned(run)
  }

  /** Changes the database and invalidates what depends on it. */
  async invalidate(cover: Cover): Promise<void> {
    const issued = this.#history.issue(this, [cover], describe(cover))
    const { durable } = await this.#timed('invalidate', 2 * this.#setup.redisTimeout, () => this.#tell(cover))
    this.#acknowledge(issued, durable)
  }

  /** As {@link invalidate} for one key, by the call that says something else. */
  async delete(key: Key): Promise<void> {
    this.#history.issue(this, [{ kind: 'key', key }], `delete ${key}`)
    await this.#timed('delete', 2 * this.#setup.redisTimeout, () => this.cache.delete(key))
  }

  /** A request with an unsafe method succeeds, which changes what lies under a key. */
  async retire(key: Key): Promise<void> {
    this.#history.issue(this, [{ kind: 'key', key }], `retire ${key}`, true)
    await this.#timed('retire', 2 * this.#setup.redisTimeout, async () => this.engine.retire([key]))
  }

  /** Clients have so many keys retired that nothing is stored under. */
  async flood(count: number): Promise<void> {
    for (let at = 0; at < count && !this.isDead; at += 20) {
      const keys = Array.from({ length: 20 }, (_, index) => `${at + index}${'u'.repeat(1_000)}`)
      await this.#timed('flood', 2 * this.#setup.redisTimeout, async () => this.engine.retire(keys))
    }
  }

  /** Ends at once, as by SIGKILL: nothing it waits for ever settles. */
  kill(): void {
    this.isDead = true
    this.clock.stop()
    this.client.kill()
    this.#history.died(this)
  }

  /** Names of the calls that have not come back. */
  unsettled(): string[] {
    return this.isDead ? [] : [...this.#unsettled]
  }

  /** Puts into an entry what says the same and took some time to make, as the HTTP layer does with encoded forms. */
  async #amend(run: Run, { entry, written }: StoreResult, duration: number): Promise<void> {
    await written
    if (entry === undefined) return
    const isAmended = await this.engine.amend(run.value.key, entry, async () => {
      await this.#pause(duration)
      return { meta: 'amended', body: Buffer.from(`${textOf(run.value)} `) }
    })
    if (!isAmended || this.isDead) return
    this.amended++
    this.#history.note(() => `${this.name} amends run ${run.number}`)
  }

  #keep(run: Run, mark: RunMark, ttl: number): StoreResult {
    const { key } = run.value
    const now = this.clock.now()
    const entry = { staleAt: now + ttl, deleteAt: now + ttl, tags: tagsOf[key], body: Buffer.from(textOf(run.value)) }
    this.#history.finish(run, ttl, 'stores')
    const kept = this.engine.store(key, entry, mark)
    const { stored, reason, written } = kept
    this.#history.note(() => `${this.name} ${stored ? 'keeps' : `refuses (${reason})`} run ${run.number}`)
    if (stored) this.#history.keep(run, !this.isConnected)
    void this.#timed('written', 2 * this.#setup.redisTimeout, () => written).then((isWritten) => {
      if (isWritten && !this.isDead) this.#history.give(run)
    })
    return kept
  }

  #tell(cover: Cover): Promise<Invalidation> {
    switch (cover.kind) {
      case 'key':
        return this.cache.invalidateKey(cover.key)
      case 'prefix':
        return this.cache.invalidatePrefix(cover.prefix, { ignoreCase: cover.ignoreCase, soft: cover.soft })
      case 'tag':
        return this.cache.invalidateTags([cover.tag], { soft: cover.soft })
      case 'all':
        return this.cache.clear({ soft: cover.soft })
    }
  }

  #acknowledge(issued: Issued, durable: boolean): void {
    if (durable && !this.isDead) this.#history.acknowledge(issued)
  }

  /** `get` does not say whether Redis was asked: it was, if nothing went wrong in between. */
  #judgeUnsure(reading: Reading, value: Value | undefined, wasConnected: boolean, troubles: string): void {
    const isSure = wasConnected && this.isConnected && troubles === this.#troubles()
    this.#history.judge(reading, { value, tier: 'memory', isConnected: isSure || undefined, hadTrouble: !isSure })
  }

  /** Changes whenever something has gone wrong between this process and Redis. */
  #troubles(): string {
    const { redisTimeouts, redisFailures, redisSkipped, redisErrorReplies } = this.engine.counters
    return `${redisTimeouts} ${redisFailures} ${redisSkipped} ${redisErrorReplies} ${this.#outages}`
  }

  /** Sees to it that a call comes back, and in time. */
  async #timed<T>(what: string, limit: number, call: () => Promise<T>): Promise<T> {
    const begunAt = this.#scheduler.now
    const name = `${what} of ${begunAt.toFixed(1)}`
    this.#unsettled.add(name)
    const result = await call()
    this.#unsettled.delete(name)
    const took = this.#scheduler.now - begunAt
    if (took > limit + slack && !this.isDead) {
      this.#history.violate('liveness', `${this.name} ${name} took ${took.toFixed(1)} ms, ${limit} were promised`)
    }
    return result
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#scheduler.after(ms, () => {
        if (!this.isDead) resolve()
      })
    })
  }
}

/** No handler takes longer; ms. */
export const longestRun = 6000

function describe(cover: Cover): string {
  return cover.soft === true ? `softly ${described(cover)}` : described(cover)
}

function described(cover: Cover): string {
  switch (cover.kind) {
    case 'key':
      return `key ${cover.key}`
    case 'prefix':
      return `prefix ${cover.prefix}${cover.ignoreCase ? ' in any case' : ''}`
    case 'tag':
      return `tag ${cover.tag}`
    case 'all':
      return 'all'
  }
}
