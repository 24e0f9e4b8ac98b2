import { CacheError } from '../errors.js'
import type { Stamp } from '../stamp.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { asBuffer, BatchedReads, type EntryParts, type Follow, type Held, type Read } from './batched-reads.js'
import { noteScript } from './change-scripts.js'
import { changeName } from './changes.js'
import { coverText } from './cover.js'
import { amendScript, removeScript, retireScript, writeScript } from './entry-scripts.js'
import { entryName, ownName } from './names.js'

/** For an entry written late: when it was stored, and the position from which another entry under its key is valid. */
export interface LateEntry {
  /** Epoch ms. */
  readonly storedAt: number
  readonly goodFrom: number
}

/** The conditions under which an entry is written to Redis. */
export interface Writing {
  /** Remaining lifetime of the entry, in ms. */
  readonly ttl: number
  readonly stamp: Stamp
  /** The position up to which the entry was judged. */
  readonly applied: number
  /** Given for an entry that is written back after an outage. */
  readonly late?: LateEntry | undefined
  /** The ids of the tombstone that the entry was made after, and of older ones, separated by spaces. */
  readonly after?: { readonly id: string; readonly older: string } | undefined
}

const NONE = { id: '', older: '' }

/**
 * The result of a write: written, with the number of the change if changes are counted; not written because there is
 * something newer, or because the process must first read newer log records; or the id of the tombstone that prevented it.
 */
export type Written = { readonly count: number | undefined } | 'newer' | 'behind' | { readonly lostTo: string }

/**
 * A key was deleted: the number of the change, if changes are counted, and whether Redis had nothing under the key when it
 * was noted.
 */
export interface Removed {
  readonly count: number | undefined
  readonly isLast: boolean
}

/** A tombstone to leave at a key. */
export interface Tombstone {
  readonly key: string
  readonly id: string
  /** The id to use if there is a tombstone not among `older`, or an entry stored after such a one. */
  readonly otherId: string
  /** Ids of tombstones known to be older, separated by spaces. */
  readonly older: string
  /** Whether the tombstone may be created if there is no entry. */
  readonly mayCreate: boolean
}

/** A tombstone that was left. */
export interface Left {
  readonly key: string
  /** Its id in Redis. */
  readonly leftId: string
  /**
   * The id of the previous tombstone, or of the one that the previous entry was stored after; `''` if there was none.
   */
  readonly met: string
  /** The first bytes of the previous value; all of an entry without a body. */
  readonly existed: Buffer
}

/** Reads and writes entries in Redis. Reads are batched; writes give way to newer entries. */
export class SharedEntries {
  readonly #port: RedisPort
  readonly #tier: RedisTier
  readonly #keyPrefix: string
  readonly #headKey: string
  readonly #logKey: string
  readonly #ringKey: string
  readonly #reads: BatchedReads
  readonly #countsChanges: () => boolean
  #tickets = 0

  constructor(parts: EntryParts, tier: RedisTier, duties: EntryDuties) {
    const { port, settings } = parts
    const { keyPrefix } = settings
    this.#port = port
    this.#tier = tier
    this.#keyPrefix = keyPrefix
    this.#headKey = ownName(keyPrefix, 'head')
    this.#logKey = ownName(keyPrefix, 'log')
    this.#ringKey = ownName(keyPrefix, 'changes')
    this.#reads = new BatchedReads(parts, tier, duties.follow)
    this.#countsChanges = duties.countsChanges
  }

  /** See {@link BatchedReads.read}. */
  read(key: string, held?: Held): Promise<Read> {
    return this.#reads.read(key, held)
  }

  /** See {@link BatchedReads.catchUp}. */
  catchUp(): Promise<void> {
    return this.#reads.catchUp()
  }

  /** Stores a frame, unless there is a newer one, or the log contains a record of its key after `applied`. */
  async write(key: string, frame: Buffer, { ttl, stamp, applied, late, after = NONE }: Writing): Promise<Written> {
    const args = [frame, String(Math.max(1, Math.ceil(ttl))), stamp.incarnation, String(stamp.position)]
    args.push(String(late?.storedAt ?? ''), String(late?.goodFrom ?? 0), after.id)
    const ticket = this.#ticket()
    args.push(String(applied), JSON.stringify(coverText({ kind: 'key', key })), after.older, ticket)
    const entry = entryName(this.#keyPrefix, key)
    const name = changeName(stamp.incarnation, key)
    const { isCluster } = this.#port
    const keys: [string, ...string[]] = isCluster ? [entry] : [entry, this.#headKey, this.#logKey, this.#ringKey]
    const [outcome, count] = await this.#tier.run(async () => {
      const answer = readAnswer(ticket, await writeScript.run(this.#port, keys, [...args, name]))
      // What prevents a late write may be an earlier version of it, stored by an attempt whose note was lost.
      const isToNote = isCluster && (answer[0] === '1' || (answer[0] === '0' && late !== undefined))
      return isToNote ? [answer[0], await this.#note(stamp.incarnation, key)] : answer
    }, 'store')
    if (outcome === 'behind') return 'behind'
    if (outcome === '1') return { count: numberOf(count) }
    return outcome === '0' ? 'newer' : { lostTo: outcome }
  }

  /**
   * Leaves a tombstone at each of these keys, all within one deadline.
   *
   * @param ttl - ms
   */
  retire(tombstones: readonly Tombstone[], { incarnation }: Stamp, ttl: number): Promise<readonly Left[]> {
    const leave = async ({ key, id, otherId, older, mayCreate }: Tombstone): Promise<Left> => {
      const args = [incarnation, id, String(Math.ceil(ttl)), mayCreate ? '1' : '0', otherId, older]
      const name = entryName(this.#keyPrefix, key)
      const keys: [string, ...string[]] = this.#port.isCluster ? [name] : [name, this.#headKey, this.#ringKey]
      const reply = await retireScript.run(this.#port, keys, [...args, changeName(incarnation, key)])
      if (this.#port.isCluster) await this.#note(incarnation, key)
      const [existed, left, met] = Array.isArray(reply) ? reply.map(asBuffer) : []
      const leftId = left?.toString()
      if (leftId !== id && leftId !== otherId) throw strayAnswer()
      return { key, leftId, met: met?.toString() ?? '', existed: existed ?? NOTHING }
    }
    return this.#tier.run(() => Promise.all(tombstones.map(leave)), 'store')
  }

  /** Replaces a frame that begins with `start`; does nothing if there is another one. */
  async amend(key: string, frame: Buffer, ttl: number, start: Buffer): Promise<void> {
    const name = entryName(this.#keyPrefix, key)
    const args = [frame, String(Math.max(1, Math.ceil(ttl))), start]
    await this.#tier.run(() => amendScript.run(this.#port, [name], args), 'store')
  }

  /** Deletes a key, regardless of its content. */
  async remove(key: string, { incarnation }: Stamp): Promise<Removed> {
    const name = entryName(this.#keyPrefix, key)
    if (!this.#port.isCluster) {
      const ticket = this.#ticket()
      const args = [incarnation, changeName(incarnation, key), ticket]
      const keys: [string, ...string[]] = [name, this.#headKey, this.#ringKey]
      const remove = async () => readAnswer(ticket, await removeScript.run(this.#port, keys, args))
      return { count: numberOf((await this.#tier.run(remove, 'store'))[0]), isLast: true }
    }
    return this.#tier.run(async () => {
      await this.#port.send(name, ['UNLINK', name])
      const count = numberOf(await this.#note(incarnation, key))
      const isLast = count === undefined || Number(await this.#port.send(name, ['EXISTS', name])) === 0
      return { count, isLast }
    }, 'store')
  }

  /** Notes a change that the script which made it could not note. Returns its number; `''` if changes are not counted. */
  async #note(incarnation: string, key: string): Promise<string> {
    if (!this.#countsChanges()) return ''
    const ticket = this.#ticket()
    const args = [incarnation, changeName(incarnation, key), ticket]
    return readAnswer(ticket, await noteScript.run(this.#port, [this.#headKey, this.#ringKey], args))[0]
  }

  #ticket(): string {
    return (++this.#tickets).toString(36)
  }
}

/** What reading and writing entries asks its owner. */
export interface EntryDuties {
  readonly follow: Follow
  /** Whether changes are counted, as far as this process knows. */
  readonly countsChanges: () => boolean
}

const NOTHING = Buffer.alloc(0)

/**
 * The outcome in an answer of {@link writeScript}, and the number of the change; this number alone for the other scripts
 * that note a change.
 *
 * @throws CacheError if it answers another command
 */
function readAnswer(ticket: string, reply: unknown): readonly [outcome: string, count: string | undefined] {
  const [named, outcome, count] = String(reply).split(' ')
  if (named !== ticket || outcome === undefined) throw strayAnswer()
  return [outcome, count]
}

function numberOf(count: string | undefined): number | undefined {
  return count === undefined || count === '' ? undefined : Number(count)
}

function strayAnswer(): CacheError {
  return new CacheError('redis-out-of-step', 'Redis answered another command')
}
