import { CacheError } from '../errors.js'
import { shown } from '../option-checks.js'
import { HIGHEST_POSITION } from '../stamp.js'
import type { RedisArgument, RedisPort } from '../tiers/redis-client.js'
import { tombstoneFrame } from '../tiers/wire-frame.js'
import { type Cover, coverText, hardText, parseCover } from './cover.js'
import { type Head, PROTOCOL, parseHead } from './head.js'
import {
  appendScript,
  marksScript,
  openScript,
  pageScript,
  rotateScript,
  tombstoneScript,
  vouchScript,
} from './log-scripts.js'
import { entryName, ownName } from './names.js'
import { TOMBSTONE_GRACE } from './tombstones.js'

/** One invalidation in the log. */
export interface LogRecord {
  readonly position: number
  readonly nonce: string
  readonly covers: readonly Cover[]
}

/** The state of the log when a process opens it. */
export interface LogState {
  readonly head: Head
  /** The run of the server; `''` if the server does not report it. */
  readonly runId: string
  /** Position of the oldest record. */
  readonly oldest: number
  /** The `maxmemory-policy` of the server; `''` if it has no memory limit or does not report it. */
  readonly evictionPolicy: string
  /** The time of the server's clock, in epoch µs. */
  readonly time: number
}

/** Some records of the log, and whether there may be more after them. */
export interface LogPage {
  readonly records: readonly LogRecord[]
  /** The size of the records in Redis, approximately. */
  readonly bytes: number
  readonly hasMore: boolean
}

/** The newest position of a prefix or tag, for a process that has not read the record. */
export interface CoverMark {
  readonly cover: Cover
  readonly position: number
}

/** The result of an append. */
export type Appended =
  /** The record was appended; `previous` is the head before it. */
  | { readonly appended: true; readonly head: Head; readonly previous: string; readonly existed: readonly Buffer[] }
  /** The log is not the one that this process knows. */
  | { readonly appended: false }

/** Approximate maximum number of records in the stream; a process that is further behind starts over. */
const LONGEST_LOG = 12_000
/** Maximum number of prefixes and tags kept for new processes; beyond it, the oldest are folded into the floor. */
const MOST_MARKS = 10_000
/**
 * Maximum bytes of records and of marks per reply, so that it arrives within the deadline of a command even over a slow
 * link. A reply has at least more marks than one record has covers, so that a page ends after all marks with the same
 * position.
 */
const PAGE_BYTES = 24 * 1024
const BYTES_OF_MARKS = 48 * 1024
const FEWEST_MARKS_AT_ONCE = 81
const MOST_MARKS_AT_ONCE = 500
/** How long a process counts as present for processes of another protocol after its last command, in ms. */
const PRESENT_FOR = 60_000

/**
 * Reads and writes the shared log of invalidations in Redis: a stream of records, a head that marks its end, and, for
 * new processes, the newest position of each prefix and tag. The three keys are in the same cluster slot.
 *
 * It only communicates with Redis; deadlines and the meaning of records are left to the caller.
 */
export class SharedLog {
  readonly headKey: string
  readonly #logKey: string
  readonly #marksKey: string
  readonly #port: RedisPort
  readonly #keyPrefix: string
  readonly #tombstoneTtl: number

  /** @param maxHandlerTime - ms; how late a store may come */
  constructor(port: RedisPort, keyPrefix: string, maxHandlerTime: number) {
    this.#port = port
    this.#keyPrefix = keyPrefix
    this.headKey = ownName(keyPrefix, 'head')
    this.#logKey = ownName(keyPrefix, 'log')
    this.#marksKey = ownName(keyPrefix, 'marks')
    this.#tombstoneTtl = Math.ceil(maxHandlerTime) + TOMBSTONE_GRACE
  }

  /**
   * Opens the log, or begins a life of it named `incarnation`.
   *
   * @throws CacheError `log-version` while processes of another protocol use the log
   */
  async open(incarnation: string, seen: number, nonce: string): Promise<LogState> {
    const args = [incarnation, String(seen), nonce, String(PRESENT_FOR), this.#presenceKey('')]
    const [what, head, oldest, run, policy, time] = list(await openScript.run(this.#port, this.#ownKeys(), args))
    if (text(what) === 'other') throw otherProtocol(text(head))
    return {
      head: parseHead(text(head)),
      oldest: Number(text(oldest).split('-')[0]),
      runId: text(run) === '-' ? '' : text(run),
      evictionPolicy: text(policy),
      time: Number(text(time)),
    }
  }

  /**
   * Begins a new life of the log unless another process already did. It makes every entry in Redis of the old life
   * invalid.
   */
  async rotate(from: string, to: string, seen: number, nonce: string): Promise<void> {
    await rotateScript.run(this.#port, this.keys, [to, String(seen), nonce, from])
  }

  /** Whether all keys of the log exist and match each other. The check also prevents their eviction as unused. */
  async isWhole(incarnation: string): Promise<boolean> {
    const reply = await vouchScript.run(this.#port, this.#ownKeys(), [incarnation, String(PRESENT_FOR)])
    return Number(reply) === 1
  }

  /**
   * The marks from a position on, in ascending order, as many as fit a reply.
   *
   * @param share - the part of the usual size that the reply may have
   */
  async marksFrom(
    position: number,
    share = 1,
  ): Promise<{ readonly marks: readonly CoverMark[]; readonly hasMore: boolean }> {
    // Uses a script, because its reply has the same form in both Redis protocols.
    const args = [position, MOST_MARKS_AT_ONCE, FEWEST_MARKS_AT_ONCE, BYTES_OF_MARKS * share].map(String)
    const [more, flat] = list(await marksScript.run(this.#port, [this.#marksKey], args))
    const marks = readMarks(list(flat)).filter(({ text }) => !text.startsWith('='))
    return { marks: marks.map(toMark), hasMore: Number(more) === 1 }
  }

  /**
   * Appends a record, and leaves a tombstone at each exact key in it.
   *
   * A record with soft covers lists its covers twice: as hard ones, which is what earlier versions read, and as they are.
   *
   * In a cluster the tombstones are sent to other nodes after the record, and the invalidation is acknowledged only
   * when they are stored.
   */
  async append(incarnation: string, seen: number, nonce: string, covers: readonly Cover[]): Promise<Appended> {
    const texts = covers.map(hardText)
    const softTexts = covers.some(({ soft }) => soft === true) ? JSON.stringify(covers.map(coverText)) : ''
    const entryKeys = covers.flatMap((cover) => (cover.kind === 'key' ? [entryName(this.#keyPrefix, cover.key)] : []))
    const lasting = covers.filter(({ kind }) => kind !== 'key').map(coverText)
    const keys: [string, ...string[]] = [...this.keys, ...(this.#port.isCluster ? [] : entryKeys)]
    const args: RedisArgument[] = [incarnation, String(seen), nonce, JSON.stringify(texts)]
    args.push(String(LONGEST_LOG), String(MOST_MARKS), String(this.#tombstoneTtl), softTexts, ...lasting)
    const [appended, previous, now, existed] = list(await appendScript.run(this.#port, keys, args))
    if (Number(appended) !== 1) return { appended: false }
    const head = parseHead(text(now))
    const before = this.#port.isCluster ? await this.#leaveTombstones(entryKeys, head) : list(existed)
    return { appended: true, head, previous: text(previous), existed: before.map(buffer) }
  }

  /**
   * The records from a position on, inclusive, as many as fit a reply.
   *
   * @param share - the part of the usual size that the reply may have
   */
  async since(from: number, count: number, share = 1): Promise<LogPage> {
    const args = [from, count, PAGE_BYTES * share].map(String)
    const [more, records, left] = list(await pageScript.run(this.#port, [this.#logKey], args))
    return {
      records: list(records).map(readRecord),
      bytes: PAGE_BYTES * share - Number(left),
      hasMore: Number(more) === 1,
    }
  }

  #leaveTombstones(keys: readonly string[], head: Head): Promise<unknown[]> {
    const frame = tombstoneFrame(head)
    return Promise.all(keys.map((key) => tombstoneScript.run(this.#port, [key], [frame, String(this.#tombstoneTtl)])))
  }

  /** The keys of the log; without them, it begins a new life. */
  get keys(): [string, string, string] {
    return [this.headKey, this.#logKey, this.#marksKey]
  }

  #ownKeys(): [string, ...string[]] {
    return [...this.keys, this.#presenceKey(PROTOCOL)]
  }

  /** The key that indicates the presence of a process with a protocol version. */
  #presenceKey(protocol: number | ''): string {
    return `${ownName(this.#keyPrefix, 'present')}:${protocol}`
  }
}

function otherProtocol(other: string): CacheError {
  return new CacheError(
    'log-version',
    `Redis is in use by a version of fallback-cache with protocol ${shown(other)}, and this one has ${PROTOCOL}: ` +
      'give one of them another keyPrefix, or stop the other, whose place is taken over a minute later',
  )
}

/**
 * Reads a record; one that no version of this package has written covers everything.
 *
 * @throws CacheError `log-broken` if its position is above {@link HIGHEST_POSITION}: the log begins a new life then
 */
function readRecord(item: unknown): LogRecord {
  const [id, fields] = list(item)
  const pairs = list(fields).map(text)
  const field = (name: string): string | undefined => {
    const at = pairs.findIndex((pair, index) => index % 2 === 0 && pair === name)
    return at < 0 ? undefined : pairs[at + 1]
  }
  const position = Number(text(id).split('-')[0])
  if (position > HIGHEST_POSITION)
    throw new CacheError('log-broken', 'a record of the invalidation log is in the far future')
  return {
    position,
    nonce: field('n') ?? '',
    covers: readCovers(field('s') ?? field('c')),
  }
}

function readCovers(json = ''): readonly Cover[] {
  try {
    const covers: unknown = JSON.parse(json)
    if (Array.isArray(covers)) return covers.map((cover) => parseCover(String(cover)))
  } catch {
    // Not of this package.
  }
  return [{ kind: 'all' }]
}

function readMarks(flat: readonly unknown[]): { readonly text: string; readonly position: number }[] {
  const marks: { readonly text: string; readonly position: number }[] = []
  for (let index = 0; index + 1 < flat.length; index += 2) {
    marks.push({ text: text(flat[index]), position: scoreOf(text(flat[index + 1])) })
  }
  return marks
}

/** The score of a mark; infinity for what is no number, such as `inf`. */
function scoreOf(digits: string): number {
  const score = Number(digits)
  return Number.isNaN(score) ? Number.POSITIVE_INFINITY : score
}

function toMark({ text, position }: { readonly text: string; readonly position: number }): CoverMark {
  return { cover: parseCover(text), position }
}

function list(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}

function text(reply: unknown): string {
  return reply === null || reply === undefined ? '' : String(reply)
}

function buffer(reply: unknown): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.from(text(reply))
}
