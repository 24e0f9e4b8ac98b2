import { CacheError } from '../errors.js'
import { readHead } from './head.js'
import type { Issued, Journal } from './journal.js'
import type { Knowledge } from './knowledge.js'
import type { LogParts } from './log-parts.js'
import type { LogPosition } from './log-position.js'
import type { Nonces } from './nonces.js'
import type { SharedLog } from './shared-log.js'

/** Writes invalidations of this process into the log, and notes what the log answered. */
export class LogWriter {
  readonly #log: SharedLog
  readonly #journal: Journal
  readonly #nonces: Nonces
  readonly #knowledge: Knowledge
  readonly #position: LogPosition

  constructor({ log, journal, nonces, knowledge, position }: LogParts) {
    this.#log = log
    this.#journal = journal
    this.#nonces = nonces
    this.#knowledge = knowledge
    this.#position = position
  }

  /**
   * Appends invalidations of this process to this life of the log, in one record. If there are several, its name is new:
   * by the answer to an earlier record with others of them, it cannot be taken for appended.
   *
   * @throws CacheError if the log has another life
   */
  async append(incarnation: string, batch: readonly [Issued, ...Issued[]]): Promise<void> {
    const nonce = batch.length === 1 ? batch[0].nonce : this.#nonces.next()
    const covers = batch.flatMap(({ recorded }) => recorded.covers)
    const result = await this.#log.append(incarnation, this.#position.head?.position ?? 0, nonce, covers)
    if (!result.appended)
      throw new CacheError('log-broken', 'the invalidation log is a new one, or a part of it is gone')
    const { head } = result
    if (head.nonce !== nonce) throw new CacheError('redis-out-of-step', 'the log answered for another record')
    this.#acknowledge(batch, head.position, result.existed)
    if (head.incarnation === this.#position.head?.incarnation) {
      for (const issued of batch) this.#knowledge.add(head.position, issued.nonce, issued.recorded.covers)
    }
    this.#position.acknowledge(head, readHead(result.previous))
  }

  /** @param existed - the first bytes of the previous values of all exact keys */
  #acknowledge(batch: readonly Issued[], position: number, existed: readonly Buffer[]): void {
    let at = 0
    for (const issued of batch) {
      const keys = issued.recorded.covers.filter(({ kind }) => kind === 'key').length
      this.#journal.acknowledge(issued, position)
      // Last: the journal remembers the invalidation, and not what it replaced.
      issued.told = { position, existed: existed.slice(at, at + keys) }
      at += keys
    }
  }
}
