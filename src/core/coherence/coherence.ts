import { randomBytes } from 'node:crypto'
import type { Clock, Timer } from '../clock.js'
import type { Counters } from '../counters.js'
import { asError, CacheError } from '../errors.js'
import type { GuardedEmitter } from '../events.js'
import type { CoreSettings } from '../options.js'
import { CircuitBreaker } from '../tiers/circuit-breaker.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { RedisTier } from '../tiers/redis-tier.js'
import type { Stamp } from '../wire-frame.js'
import { type Cover, coverText } from './cover.js'
import { type Issued, Journal, type JournalStats } from './journal.js'
import { JournalFile } from './journal-file.js'
import { Link } from './link.js'
import type { Mirror, Recorded } from './mirror.js'
import { type Head, type LogRecord, type LogState, readHead, SharedLog } from './shared-log.js'

/** What coherence tells the cache that it serves. */
export interface CoherenceDuties {
  /** Records came from other processes; exact keys they name leave memory. */
  readonly onRecords: (covers: readonly Cover[]) => void
  /** Whatever is in memory may be wrong: records were lost, or an operator emptied Redis. */
  readonly onForget: () => void
  /** Redis is trusted again: write back what it does not have. Gives how much that is. */
  readonly onConnected: () => number
}

/** Records read in one reply when catching up. */
const pageSize = 1000
/** How often recovery looks whether more was issued while it told the log what had been waiting. */
const mostRounds = 10

/**
 * Keeps this process in step with the shared log of invalidations, so that an entry can be judged by what is known
 * here. Reads like the protocol in `docs/coherence.md`: open, follow, catch up, issue, recover.
 */
export class Coherence {
  readonly tier: RedisTier
  readonly breaker: CircuitBreaker
  readonly #link: Link
  readonly #log: SharedLog
  readonly #journal: Journal
  readonly #file: JournalFile | undefined
  readonly #mirror: Mirror
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #settings: CoreSettings
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #duties: CoherenceDuties
  readonly #id = randomBytes(6).toString('hex')
  #issued = 0
  #head: Head | undefined
  /** When the head moved last; monotonic ms. */
  #movedAt = Number.NEGATIVE_INFINITY
  /** The newest record of ours that the log took and that has not been met in it since: if it is not there, the log lost it. */
  #unseen: { readonly position: number; readonly nonce: string; readonly takenAt: number } | undefined
  /** What the client said last of its connection, while it has none. */
  #connectionError: Error | undefined
  #runId = ''
  /** The last position at which this process knew everything; and what that was when this life of the log began for it. */
  #knownUpTo = 0
  #cameFrom = 0
  #confirmedAt = Number.NEGATIVE_INFINITY
  #catchingUp: Promise<void> | undefined
  #isSuspect = false
  /** Whether this life of the log has yet to be told what was invalidated here recently. */
  #owesRecent = false
  #heartbeat: Timer | undefined
  #replayed = 0
  #closed = false

  constructor(
    port: RedisPort,
    mirror: Mirror,
    settings: CoreSettings,
    counters: Counters,
    events: GuardedEmitter,
    duties: CoherenceDuties,
  ) {
    this.#port = port
    this.#mirror = mirror
    this.#clock = settings.clock
    this.#settings = settings
    this.#counters = counters
    this.#events = events
    this.#duties = duties
    this.#journal = new Journal(settings.clock, settings.maxJournalBytes)
    this.#file = this.#openFile()
    this.#log = new SharedLog(port, settings.keyPrefix, settings.maxHandlerTime)
    this.breaker = new CircuitBreaker(settings.threshold, (from, to) => {
      events.tell('circuit', { from, to })
      if (to === 'open') this.#breakerOpened()
    })
    this.tier = new RedisTier(port, this.breaker, settings.clock, settings, counters, () => this.#link.lookSoon())
    // A cluster client tells nothing of a failover: one of its nodes went, another took over, and it was ready all along.
    const cooldown = port.isCluster ? Math.min(settings.cooldown, 2000) : settings.cooldown
    this.#link = new Link(this.breaker, settings.clock, cooldown, {
      ping: () => this.tier.probe(() => port.send(this.#log.headKey, ['PING'])),
      recover: () => this.#recover(),
      onLost: (cause) => this.#onLost(cause),
      onConnected: (milliseconds) => this.#onConnected(milliseconds),
    })
  }

  /** Starts to listen and to connect. */
  open(): void {
    this.#port.watch(
      () => {
        this.#connectionError = undefined
        this.#link.lookSoon()
      },
      () => {
        this.tier.forgetInFlight()
        const cause = this.#connectionError
        const why =
          cause === undefined ? 'the connection to Redis was closed' : `Redis cannot be used: ${cause.message}`
        this.#link.lose(new CacheError('redis-unavailable', why, cause))
      },
      (error) => {
        this.#connectionError = asError(error)
      },
    )
    this.#port.connect()
    if (this.#port.isReady()) this.#link.lookSoon()
    this.#beat()
  }

  /** True when Redis answers and this process has caught up with the log. */
  get isConnected(): boolean {
    return this.#link.state === 'connected'
  }

  /** While the first connection is on its way: what to wait for. */
  get starting(): Promise<void> | undefined {
    return this.#link.state === 'starting' ? this.#link.whenStarted : undefined
  }

  /** Waits for the first connection, but no longer than for any answer of Redis. Never rejects. */
  async waitForStart(): Promise<void> {
    const { starting } = this
    if (starting === undefined) return
    await this.#within(starting)
    if (this.starting !== undefined && this.breaker.state === 'closed') this.breaker.fail()
  }

  /** A request had to do without Redis. Counted as the failure it is, as long as the breaker is closed. */
  noteUnavailable(): void {
    this.#counters.redisSkipped++
    if (this.breaker.state === 'closed' && !this.#port.isReady()) this.breaker.fail()
  }

  /** True while it is not known whether Redis was emptied on purpose: memory must not answer then. */
  get isSuspect(): boolean {
    return this.#isSuspect
  }

  /** When the mirror was last known to be complete; monotonic ms. */
  get confirmedAt(): number {
    return this.#confirmedAt
  }

  /** Where a handler that starts now stands in the log. */
  get stamp(): Stamp {
    return this.#head ?? nowhere
  }

  /** The key to read beside every entry. */
  get headKey(): string {
    return this.#log.headKey
  }

  /**
   * Makes sure that everything up to this head has been applied.
   *
   * @param text - the head as Redis gave it, with or after the entries it is to judge
   * @param askedAt - monotonic ms, when the question was sent
   * @returns undefined when there is nothing to do; a promise that rejects when the log cannot be followed
   */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    if (text !== undefined && text === this.#head?.text && this.#unseen === undefined) {
      this.#confirm(askedAt)
      return undefined
    }
    return this.#catchUpWith(text, askedAt)
  }

  /**
   * Tells the log, and so every process, what was invalidated here.
   *
   * @returns what the exact keys held in Redis, when the log has taken it; undefined when it will have to later
   */
  async issue(recorded: Recorded): Promise<readonly Buffer[] | undefined> {
    const issued = { nonce: this.#nonce(), recorded }
    const { nonce, recorded: told } = this.#journal.add(issued) ? this.#foldJournal() : issued
    const existed = await this.#tell(nonce, told)
    if (existed === undefined && this.#journal.isWaiting(nonce)) this.#file?.add(nonce, told.covers)
    return existed
  }

  async #tell(nonce: string, recorded: Recorded): Promise<readonly Buffer[] | undefined> {
    await this.waitForStart()
    const head = this.#head
    if (!this.isConnected || head === undefined) {
      this.noteUnavailable()
      return undefined
    }
    try {
      const existed = await this.tier.run(() => this.#append(head.incarnation, nonce, recorded))
      // Others were faster. What is stored next must not seem to come from before this record.
      if (this.#unseen !== undefined) await this.#look(this.#clock.monotonic())
      return existed
    } catch (thrown) {
      // Until the log has it, what Redis says may be what was just invalidated.
      this.#link.lose(asError(thrown))
      this.#link.lookSoon()
      return undefined
    }
  }

  /** Calls `run` in a while, unless this was closed by then. */
  later(run: () => void, ms = 1000): void {
    this.#clock.setTimer(() => {
      if (!this.#closed) run()
    }, ms)
  }

  /** Lets `ms` milliseconds pass. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(resolve, ms)
    })
  }

  /** Why Redis cannot be used, as far as its client says; `undefined` while it can. */
  get connectionError(): Error | undefined {
    return this.#connectionError
  }

  stats(): JournalStats {
    return this.#journal.stats()
  }

  /** Tells the log what it does not know yet, if that takes no longer than a second, then stops. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#drain()
    this.#link.close()
    if (this.#heartbeat !== undefined) this.#clock.clearTimer(this.#heartbeat)
    await this.#port.close()
  }

  /** A connection that is only just coming back gets its chance. */
  async #drain(): Promise<void> {
    const end = this.#clock.monotonic() + 1000
    for (let left = 1000; this.#journal.stats().pending > 0 && left > 0; left = end - this.#clock.monotonic()) {
      await this.#within(this.#link.lookNow(), left)
      if (!this.isConnected) await new Promise<void>((resolve) => this.#clock.setTimer(resolve, 50))
    }
  }

  async #append(incarnation: string, nonce: string, recorded: Recorded): Promise<readonly Buffer[]> {
    const result = await this.#log.append(incarnation, this.#head?.position ?? 0, nonce, recorded.covers)
    if (!result.appended) throw new CacheError('log-broken', 'the invalidation log is a new one')
    this.#settle(nonce, recorded, result.head)
    // Nothing came between what had been applied and this record: the head may move without reading the log.
    if (result.previous === this.#head?.text) this.#moveTo(result.head)
    else if (result.head.incarnation === this.#head?.incarnation && result.head.position > this.#head.position) {
      this.#unseen = { position: result.head.position, nonce, takenAt: this.#clock.monotonic() }
    }
    return result.existed
  }

  #settle(nonce: string, recorded: Recorded, head: { readonly position: number }): void {
    if (this.#journal.acknowledge(nonce, head.position) !== undefined) this.#mirror.settle(recorded, head.position)
    this.#file?.remove(nonce)
  }

  #moveTo(head: Head): void {
    this.#head = head
    this.#movedAt = this.#clock.monotonic()
    this.#mirror.raiseFloor(head.floor)
  }

  #confirm(askedAt: number): void {
    if (askedAt > this.#confirmedAt) this.#confirmedAt = askedAt
    if (this.isConnected && this.#head !== undefined) this.#knownUpTo = this.#head.position
  }

  /** Shared by all who find the head ahead; asks again when it has moved on meanwhile. */
  async #catchUpWith(text: string | undefined, askedAt: number): Promise<void> {
    if (text === undefined) return this.#lostTrack('the head of the invalidation log is gone')
    const ahead = readHead(text)
    if (ahead === undefined) return this.#lostTrack('the head of the invalidation log is none')
    while (this.#head?.text !== text || this.#unseen !== undefined) {
      const known: Head | undefined = this.#head
      if (known === undefined || known.incarnation !== ahead.incarnation) {
        return this.#lostTrack('the invalidation log is a new one')
      }
      if (this.#wentBack(ahead, known, askedAt)) return this.#lostTrack('the invalidation log lost records')
      // A reply may overtake another: what it says has been applied already.
      if (known.text === text || known.position > ahead.position) break
      if (known.position === ahead.position) {
        if (known.nonce !== ahead.nonce) return this.#lostTrack('the invalidation log has another history')
        this.#moveTo(ahead)
        break
      }
      this.#catchingUp ??= this.#catchUp().finally(() => {
        this.#catchingUp = undefined
      })
      try {
        await this.#catchingUp
      } catch (thrown) {
        if (thrown instanceof CacheError && thrown.code === 'log-broken') return this.#lostTrack(thrown.message)
        throw thrown
      }
    }
    this.#confirm(askedAt)
  }

  /** Whether a head that was asked for later than another was known comes before that one. */
  #wentBack(ahead: Head, known: Head, askedAt: number): boolean {
    const unseen = this.#unseen
    if (ahead.position < known.position && askedAt > this.#movedAt) return true
    return unseen !== undefined && ahead.position < unseen.position && askedAt > unseen.takenAt
  }

  /** Applies what the log has beyond the last record applied here. @throws CacheError when that record is not there */
  async #catchUp(readPage: ReadPage = (from) => this.#log.since(from, pageSize)): Promise<void> {
    for (;;) {
      const known = this.#head
      if (known === undefined) throw new CacheError('log-broken', 'the invalidation log is not known yet')
      const records = await readPage(known.position)
      const [first] = records
      if (first === undefined || first.position !== known.position || first.nonce !== known.nonce) {
        throw new CacheError('log-broken', 'the invalidation log does not continue where it was left')
      }
      for (const record of records.slice(1)) this.#apply(record, known)
      if (records.length < pageSize) return
    }
  }

  #apply(record: LogRecord, known: Head): void {
    const current = this.#head
    if (current === undefined || current.incarnation !== known.incarnation || record.position <= current.position)
      return
    this.#moveTo(headAt(record, known))
    this.#meet(record)
    if (forgottenUpTo(record) > this.#cameFrom && !this.#isOwn(record.nonce)) this.#forget()
    if (this.#isOwn(record.nonce) || record.covers.length === 0) return
    this.#mirror.record(record.covers, record.position)
    this.#duties.onRecords(record.covers)
    this.#events.tell('invalidate', { covers: record.covers.map(coverText), origin: 'log' })
  }

  /** @throws CacheError when the log has gone past the place of a record of ours, and it was not there */
  #meet(record: LogRecord): void {
    const unseen = this.#unseen
    if (unseen === undefined || record.position < unseen.position) return
    if (record.nonce !== unseen.nonce) throw new CacheError('log-broken', 'the invalidation log lost a record')
    this.#unseen = undefined
  }

  /** Memory may have been emptied by order, or Redis by accident: only recovery can tell, so nothing answers until then. */
  async #lostTrack(message: string): Promise<never> {
    const error = new CacheError('log-broken', message)
    if (this.isConnected) this.#isSuspect = true
    this.#link.lose(error)
    await this.#link.lookNow()
    throw error
  }

  async #recover(): Promise<void> {
    this.#replayed = 0
    const askedAt = this.#clock.monotonic()
    const known = this.#head
    let state = await this.#open()
    const isKnown = known !== undefined && state.head.incarnation === known.incarnation
    const continues = isKnown ? await this.#continues(known, state) : 'yes'
    // A head without any record: somebody took the log away, and nobody could ever read it from its start.
    if (continues === 'lost' || state.oldest === 0) {
      const from = state.head.incarnation
      const seen = known?.position ?? 0
      await this.tier.probe(() => this.#log.rotate(from, newName() + repaired, seen, this.#nonce()))
      state = await this.#open()
    }
    if (continues === 'trimmed') this.#forget()
    if (known === undefined || state.head.incarnation !== known.incarnation) await this.#adopt(state, known)
    else if (state.head.position > (this.#head?.position ?? 0)) this.#skipTo(state)
    this.#runId = state.runId
    if (this.#owesRecent) await this.#repeatRecent()
    await this.#tellPending()
    this.#confirm(askedAt)
    this.#isSuspect = false
  }

  /** One page of the log within a deadline of its own: a long log takes several, and nobody waits for them. */
  readonly #patiently: ReadPage = (from) => this.tier.probe(() => this.#log.since(from, pageSize))

  #open(): Promise<LogState> {
    return this.tier.probe(() => this.#log.open(newName(), this.#head?.position ?? 0, this.#nonce()))
  }

  /** Whether the log still holds what was applied here last. Applies what came since, when it does. */
  async #continues(known: Head, state: LogState): Promise<'yes' | 'trimmed' | 'lost'> {
    const [record] = await this.tier.probe(() => this.#log.since(known.position, 1))
    if (record?.position === known.position && record.nonce === known.nonce) {
      return (await this.#catchesUp()) && this.#unseen === undefined ? 'yes' : 'lost'
    }
    // Records go from the old end only, and by the thousand: a younger oldest record says trimmed, else history changed.
    const isTrimmed = state.oldest > known.position && state.head.position > known.position
    return isTrimmed ? 'trimmed' : 'lost'
  }

  /** Applies what came since; false when the log turns out to have lost something. */
  async #catchesUp(): Promise<boolean> {
    try {
      await this.#catchUp(this.#patiently)
      return true
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'log-broken') return false
      throw thrown
    }
  }

  /** Another life of the log: an operator's order when the server is the same, an accident when it is another. */
  async #adopt(state: LogState, known: Head | undefined): Promise<void> {
    const isSameServer = state.runId === '' || state.runId === this.#runId
    const wasFlushed = isSameServer && !state.head.incarnation.endsWith(repaired)
    if (known !== undefined && wasFlushed) this.#forget()
    this.#owesRecent = true
    this.#cameFrom = this.#knownUpTo
    this.#unseen = undefined
    this.#mirror.startOver()
    this.#applyMarks(state)
    await this.#readFromStart(state)
  }

  /** Tells a log that may have lost them what was invalidated here in the last while. */
  async #repeatRecent(): Promise<void> {
    for (const issued of this.#journal.recent()) {
      const head = this.#head
      if (head === undefined) return
      const result = await this.tier.probe(() =>
        this.#log.append(head.incarnation, head.position, issued.nonce, issued.recorded.covers),
      )
      if (!result.appended) throw new CacheError('log-broken', 'the invalidation log changed during recovery')
      this.#mirror.place(issued.recorded.covers, result.head.position)
      this.#replayed++
    }
    await this.#tellForgotten()
    this.#owesRecent = false
  }

  /** Whoever missed what is no longer remembered here could never learn of it: tells up to where that is. */
  async #tellForgotten(): Promise<void> {
    const upTo = this.#journal.forgottenUpTo
    const head = this.#head
    if (upTo === 0 || head === undefined) return
    const nonce = `${this.#nonce()}${forgotten}${upTo}`
    const { appended } = await this.tier.probe(() => this.#log.append(head.incarnation, head.position, nonce, []))
    if (!appended) throw new CacheError('log-broken', 'the invalidation log changed during recovery')
  }

  /** Applies the whole of a log that is new here: what memory holds may be covered by any of it. */
  async #readFromStart(state: LogState): Promise<void> {
    const [first] = await this.#patiently(0)
    if (first === undefined) throw new CacheError('log-broken', 'the invalidation log has a head and no records')
    // A log begins with a record that covers nothing; where that one is gone, others are gone with it.
    if (first.covers.length > 0) this.#forget()
    this.#head = headAt(first, state.head)
    this.#mirror.record(first.covers, first.position)
    await this.#catchUp(this.#patiently)
  }

  /** The records in between are gone; the marks say what they did to prefixes and tags. */
  #skipTo(state: LogState): void {
    this.#applyMarks(state)
    this.#unseen = undefined
    this.#moveTo(state.head)
  }

  #applyMarks(state: LogState): void {
    for (const { cover, position } of state.marks) this.#mirror.record([cover], position)
    this.#mirror.raiseFloor(state.head.floor)
  }

  /** Tells the log what it does not have yet, and what is issued meanwhile; who issues without end is told of later. */
  async #tellPending(): Promise<void> {
    for (let round = 0; round < mostRounds; round++) {
      for (const issued of this.#journal.pending()) await this.#replay(issued.nonce, issued.recorded)
      await this.#catchUp(this.#patiently)
      if (this.#journal.pending().length === 0) return
    }
  }

  async #replay(nonce: string, recorded: Recorded): Promise<void> {
    const incarnation = this.#head?.incarnation ?? ''
    await this.tier.probe(() => this.#append(incarnation, nonce, recorded))
    this.#replayed++
  }

  #forget(): void {
    this.#mirror.forgetEverything()
    this.#duties.onForget()
  }

  /** More waits than may be kept: one invalidation of everything takes its place. */
  #foldJournal(): Issued {
    const waiting = this.#journal.pending()
    for (const { nonce, recorded } of waiting) {
      if (this.#journal.drop(nonce) !== undefined) this.#mirror.settle(recorded, 0)
    }
    const everything = { nonce: this.#nonce(), recorded: this.#mirror.record([{ kind: 'all' }], undefined) }
    this.#journal.add(everything)
    this.#file?.add(everything.nonce, everything.recorded.covers)
    for (const { nonce } of waiting) this.#file?.remove(nonce)
    return everything
  }

  #openFile(): JournalFile | undefined {
    const { journalFile } = this.#settings
    if (journalFile === undefined) return undefined
    const file = new JournalFile(journalFile, (error) => this.#events.tell('fault', { error: asError(error) }))
    for (const { nonce, covers } of file.read()) {
      this.#journal.add({ nonce, recorded: this.#mirror.record(covers, undefined) })
    }
    return file
  }

  #breakerOpened(): void {
    // An outage proper: whatever was suspected, memory has to answer now.
    this.#isSuspect = false
    this.#link.lose(new CacheError('redis-unavailable', 'the circuit breaker opened'))
  }

  #onLost(cause: Error | undefined): void {
    this.#counters.outages++
    this.#settings.logger?.warn({ cause: cause?.message }, 'fallback-cache: Redis is not usable, memory answers alone')
    // A wrong address or password must not go unnoticed for want of a logger.
    if (this.#head === undefined && this.#settings.logger === undefined) {
      process.emitWarning(`memory answers alone: ${cause?.message ?? 'there is no Redis'}`, 'FallbackCacheWarning')
    }
    this.#events.tell('outage', { cause })
  }

  #onConnected(milliseconds: number): void {
    const writeBack = this.#duties.onConnected()
    const seconds = milliseconds / 1000
    const details = { seconds, replayed: this.#replayed, writeBack }
    this.#settings.logger?.info(details, 'fallback-cache: Redis is trusted')
    this.#events.tell('recovery', details)
    // Issued in the very moment between.
    for (const { nonce, recorded } of this.#journal.pending()) void this.#tell(nonce, recorded)
  }

  /** Looks at the head when nobody else did, so that the mirror is never far behind. */
  #beat(): void {
    const { lease, read } = this.#settings
    const pause = read === 'memory-first' ? Math.max(lease / 4, 10) : 1000
    this.#heartbeat = this.#clock.setTimer(() => {
      if (this.#closed) return
      this.#beat()
      const now = this.#clock.monotonic()
      if (this.isConnected && now - this.#confirmedAt >= pause / 2) void this.#look(now)
    }, pause)
  }

  /** Never rejects. */
  #look(askedAt: number): Promise<void> {
    return this.tier
      .run(async () => {
        const reply = await this.#port.send(this.headKey, ['GET', this.headKey])
        await this.follow(reply === null || reply === undefined ? undefined : String(reply), askedAt)
      })
      .catch(() => {})
  }

  #within(promise: Promise<unknown>, ms = this.#settings.redisTimeout): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(resolve, ms)
      promise.finally(() => {
        this.#clock.clearTimer(timer)
        resolve()
      })
    })
  }

  #nonce(): string {
    return `${this.#id}-${(++this.#issued).toString(36)}`
  }

  #isOwn(nonce: string): boolean {
    return nonce.startsWith(`${this.#id}-`)
  }
}

type ReadPage = (from: number) => Promise<readonly LogRecord[]>

function headAt({ position, nonce }: LogRecord, { incarnation, floor }: Head): Head {
  return { incarnation, position, nonce, floor, text: `${incarnation} ${position} ${nonce} ${floor}` }
}

const nowhere: Stamp = { incarnation: '-', position: 0 }

/** In the name of a record that covers nothing: its issuer no longer remembers what it invalidated up to a position. */
const forgotten = '-forgotten:'

function forgottenUpTo({ nonce }: LogRecord): number {
  const at = nonce.indexOf(forgotten)
  return at < 0 ? 0 : Number(nonce.slice(at + forgotten.length))
}

/** Ends the name of a life of the log that was begun because its history had changed, not because it was gone. */
const repaired = 'r'

function newName(): string {
  return randomBytes(6).toString('hex')
}
