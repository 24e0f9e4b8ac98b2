import { entryLabel } from '../core/coherence/entry-label.js'
import type { InspectedRedis } from '../core/coherence/inspected-tiers.js'
import { entryKey, entryName } from '../core/coherence/names.js'
import { decodeFrame, decodeHead, type FrameHead } from '../core/tiers/wire-frame.js'
import { contentOf, summaryOf } from './described.js'
import type { EntryState, EntrySummary, InspectedEntry } from './inspected-entry.js'

/** Bytes read of each entry of a list: they contain its first line, its tags and most descriptions. */
const HEAD_BYTES = 2048
/** The longest description that is read for a list; the largest entry that is read whole. In bytes. */
const LONGEST_META = 64 * 1024
const LARGEST = 64 * 1024 * 1024
/** Entries that are read at once. */
const AT_ONCE = 50

/** Keys of one page of Redis, and where the next one begins. */
export interface NamesPage {
  readonly entries: readonly EntrySummary[]
  readonly cursor: string | undefined
  /** Keys that were looked at. */
  readonly examined: number
  /** The `keyPrefix` of other applications whose keys were met, because the own one begins theirs. */
  readonly otherPrefixes: readonly string[]
}

/** In a name: a key of the library itself, of this prefix or another. The keys of entries have a second colon there. */
const OWN = /\{fallback-cache\}:(?!:)/
const HEAD = /^(.*)\{fallback-cache\}:head$/s

/** The entries in Redis. Reads only; each command has a deadline. */
export class RedisEntries {
  readonly #redis: InspectedRedis
  constructor(redis: InspectedRedis) {
    this.#redis = redis
  }

  /** Reads one page of the entries whose keys begin with `prefix`. */
  async page(prefix: string, count: number, cursor: string | undefined): Promise<NamesPage> {
    const { port, keyPrefix } = this.#redis
    const begin = prefix === '' ? keyPrefix : entryName(keyPrefix, prefix)
    const page = await this.#redis.run(() => port.scan(begin, count, cursor))
    const names = page.keys.filter((name) => !OWN.test(name))
    const entries: EntrySummary[] = []
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const summaries = await Promise.all(names.slice(at, at + AT_ONCE).map((name) => this.#summary(name)))
      for (const summary of summaries) if (summary !== undefined) entries.push(summary)
    }
    const otherPrefixes = page.keys.flatMap((name) => HEAD.exec(name)?.[1] ?? []).filter((one) => one !== keyPrefix)
    return { entries, cursor: page.cursor, examined: page.keys.length, otherPrefixes }
  }

  /** Reads a whole entry; `undefined` if there is none. */
  async entry(key: string, withBody: boolean): Promise<InspectedEntry | undefined> {
    const name = entryName(this.#redis.keyPrefix, key)
    const start = await this.#range(name, 0, HEAD_BYTES)
    if (start === 'other-type') return unreadable(key, 0)
    if (start.length === 0) return undefined
    const head = decodeHead(start)
    if (head === undefined || head.end > LARGEST) return unreadable(key, start.length)
    const bytes = head.end <= HEAD_BYTES ? start : await this.#range(name, 0, head.end + 1)
    const framed = bytes === 'other-type' ? undefined : decodeFrame(bytes)
    if (framed === undefined) return unreadable(key, head.end)
    const whole = { ...head, tags: framed.entry.tags }
    const content = contentOf(key, framed.entry, withBody)
    const state = content.kind === 'unreadable' ? 'none' : this.#state(key, whole)
    return { ...this.#described(key, whole), ...(head.deleteAt === 0 ? TOMBSTONE : content), state }
  }

  async #summary(name: string): Promise<EntrySummary | undefined> {
    const key = entryKey(this.#redis.keyPrefix, name)
    const start = await this.#range(name, 0, HEAD_BYTES)
    if (start === 'other-type') return unreadable(key, 0)
    // It has expired since its name was read.
    if (start.length === 0) return undefined
    const head = decodeHead(start)
    if (head === undefined) return unreadable(key, start.length)
    const bytes =
      head.bodyAt > start.length && head.bodyAt <= LONGEST_META ? await this.#range(name, 0, head.bodyAt) : start
    const whole = bytes === 'other-type' ? undefined : decodeHead(bytes)
    if (bytes === 'other-type' || whole === undefined) return unreadable(key, head.end)
    if (head.deleteAt === 0) return { ...this.#described(key, whole), ...TOMBSTONE }
    const meta = whole.bodyAt > bytes.length ? undefined : bytes.toString('utf8', whole.metaAt, whole.bodyAt)
    const summary = summaryOf(meta)
    const state = summary.kind === 'unreadable' ? 'none' : this.#state(key, whole)
    return { ...this.#described(key, whole), ...summary, state }
  }

  async #range(name: string, from: number, count: number): Promise<Buffer | 'other-type'> {
    const send = () => this.#redis.port.send(name, ['GETRANGE', name, String(from), String(from + count - 1)])
    const reply = await this.#redis.run(() => send().catch(passOtherType))
    if (reply === 'other-type') return reply
    return Buffer.isBuffer(reply) ? reply : Buffer.alloc(0)
  }

  #described(key: string, { storedAt, staleAt, deleteAt, tags = [], end }: FrameHead) {
    return { key, tier: 'redis' as const, bytes: end, storedAt, staleAt, deleteAt, tags }
  }

  #state(key: string, { stamp, label, tags = [], staleAt, deleteAt }: FrameHead): EntryState {
    const { incarnation, mirror } = this.#redis
    // Without a prefix, the label also names the application.
    if (label !== undefined && label.split('~', 1)[0] !== entryLabel(key)) return 'none'
    if (stamp.incarnation !== incarnation) return 'other-life'
    const now = Date.now()
    if (deleteAt <= now) return 'expired'
    if (mirror.coversAfter(key, tags, stamp.position)) return 'invalidated'
    if (mirror.softensAfter(key, tags, stamp.position)) return 'softened'
    return staleAt <= now ? 'stale' : 'fresh'
  }
}

/** A key of this name may belong to another program, and be a list or a hash. */
export function passOtherType(thrown: unknown): 'other-type' {
  if (thrown instanceof Error && thrown.message.includes('WRONGTYPE')) return 'other-type'
  throw thrown
}

const EMPTY = { response: undefined, variants: undefined, cost: undefined, body: undefined }

const TOMBSTONE = { ...EMPTY, kind: 'tombstone', state: 'none', status: undefined, route: undefined } as const

/** Bytes that are no entry: of another program, or of a later version. */
function unreadable(key: string, bytes: number): InspectedEntry {
  const times = { storedAt: 0, staleAt: 0, deleteAt: 0 }
  return { ...TOMBSTONE, ...times, kind: 'unreadable', key, tier: 'redis', bytes, tags: [] }
}
