import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import type { Cover } from './cover.js'
import type { Follower, ReadPage } from './follower.js'
import type { Journal } from './journal.js'
import type { Mirror } from './mirror.js'
import type { Nonces } from './nonces.js'
import type { Head, LogState, SharedLog } from './shared-log.js'

/** How often recovery looks whether more was issued while it told the log what had been waiting. */
const mostRounds = 10

/** Ends the name of a life of the log that was begun because its history had changed, not because it was gone. */
const repaired = 'r'

/**
 * All that must be done before Redis is trusted, at the start and after every outage, in this order: open the log; see
 * whether it goes on from what was applied here; when it does not, begin it anew or follow the new one from its start,
 * and repeat what was issued here recently; append what waited in the journal; catch up.
 *
 * Each command has a deadline of its own and is nobody's request.
 */
export class Recovery {
  readonly #tier: RedisTier
  readonly #log: SharedLog
  readonly #follower: Follower
  readonly #journal: Journal
  readonly #mirror: Mirror
  readonly #nonces: Nonces
  readonly #clock: Clock
  #runId = ''
  /** Whether this life of the log has yet to be told what was invalidated here recently. */
  #owesRecent = false
  #replayed = 0

  constructor(
    tier: RedisTier,
    log: SharedLog,
    follower: Follower,
    journal: Journal,
    mirror: Mirror,
    nonces: Nonces,
    clock: Clock,
  ) {
    this.#tier = tier
    this.#log = log
    this.#follower = follower
    this.#journal = journal
    this.#mirror = mirror
    this.#nonces = nonces
    this.#clock = clock
  }

  /** How many invalidations the last recovery told the log. */
  get replayed(): number {
    return this.#replayed
  }

  /** Rejects when Redis cannot be trusted yet. */
  async run(): Promise<void> {
    this.#replayed = 0
    const askedAt = this.#clock.monotonic()
    const known = this.#follower.head
    let state = await this.#open()
    const isKnown = known !== undefined && state.head.incarnation === known.incarnation
    const continues = isKnown ? await this.#continues(known, state) : 'yes'
    // A head without any record: somebody took the log away, and nobody could ever read it from its start.
    if (continues === 'lost' || state.oldest === 0) {
      await this.#beginAnew(state.head.incarnation, known?.position ?? 0)
      state = await this.#open()
    }
    if (continues === 'trimmed') this.#follower.forget()
    if (known === undefined || state.head.incarnation !== known.incarnation) await this.#adopt(state, known)
    else if (state.head.position > (this.#follower.head?.position ?? 0)) this.#follower.skipTo(state)
    this.#runId = state.runId
    if (this.#owesRecent) await this.#repeatRecent()
    await this.#tellPending()
    this.#follower.confirm(askedAt)
  }

  #open(): Promise<LogState> {
    return this.#tier.probe(() => this.#log.open(newName(), this.#follower.head?.position ?? 0, this.#nonces.next()))
  }

  #beginAnew(from: string, seen: number): Promise<void> {
    return this.#tier.probe(() => this.#log.rotate(from, newName() + repaired, seen, this.#nonces.next()))
  }

  /** Whether the log still holds what was applied here last. Applies what came since, when it does. */
  async #continues(known: Head, state: LogState): Promise<'yes' | 'trimmed' | 'lost'> {
    const [record] = await this.#readPage(known.position, 1)
    if (record?.position === known.position && record.nonce === known.nonce) {
      return (await this.#catchesUp()) && !this.#follower.missesOwn ? 'yes' : 'lost'
    }
    // Records go from the old end only, and by the thousand: a younger oldest record says trimmed, else history changed.
    const isTrimmed = state.oldest > known.position && state.head.position > known.position
    return isTrimmed ? 'trimmed' : 'lost'
  }

  /** Applies what came since; false when the log turns out to have lost something. */
  async #catchesUp(): Promise<boolean> {
    try {
      await this.#follower.catchUp(this.#readPage)
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
    if (known !== undefined && wasFlushed) this.#follower.forget()
    this.#owesRecent = true
    await this.#follower.startOver(state, this.#readPage)
  }

  /** Tells a log that may have lost them what was invalidated here in the last while. */
  async #repeatRecent(): Promise<void> {
    for (const { nonce, recorded } of this.#journal.recent()) {
      const position = await this.#repeat(nonce, recorded.covers)
      if (position === undefined) return
      this.#mirror.place(recorded.covers, position)
      this.#replayed++
    }
    // Whoever missed what is no longer remembered here could never learn of it: tells up to where that is.
    const upTo = this.#journal.forgottenUpTo
    if (upTo > 0) await this.#repeat(this.#nonces.nextForgotten(upTo), [])
    this.#owesRecent = false
  }

  /** Appends a record whose place in the log says nothing of what this process has applied. */
  async #repeat(nonce: string, covers: readonly Cover[]): Promise<number | undefined> {
    const { head } = this.#follower
    if (head === undefined) return undefined
    const result = await this.#tier.probe(() => this.#log.append(head.incarnation, head.position, nonce, covers))
    if (!result.appended) throw new CacheError('log-broken', 'the invalidation log changed during recovery')
    return result.head.position
  }

  /** Tells the log what it does not have yet, and what is issued meanwhile; who issues without end is told of later. */
  async #tellPending(): Promise<void> {
    for (let round = 0; round < mostRounds; round++) {
      for (const issued of this.#journal.pending()) {
        const incarnation = this.#follower.head?.incarnation ?? ''
        await this.#tier.probe(() => this.#follower.append(incarnation, issued))
        this.#replayed++
      }
      await this.#follower.catchUp(this.#readPage)
      if (this.#journal.pending().length === 0) return
    }
  }

  /** One page of the log within a deadline of its own: a long log takes several, and nobody waits for them. */
  readonly #readPage: ReadPage = (from, count) => this.#tier.probe(() => this.#log.since(from, count))
}

function newName(): string {
  return randomBytes(6).toString('hex')
}
