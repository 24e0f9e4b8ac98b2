import type { Clock } from '../clock.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { CHANGE_BYTES, countChangesScript, RING_SIZE } from './change-scripts.js'
import { type ChangeStats, MAX_RECORDS } from './change-stats.js'
import { ownName } from './names.js'

/**
 * What is known of a copy: it is what Redis has; Redis has, or had, a newer one; or nothing is known, so that Redis has to
 * be asked.
 */
export type Currency = 'current' | 'replaced' | 'unknown'

/**
 * How long a head without a count shows that changes are not counted, in ms. On a cluster a store and its note are two
 * commands: a process whose head is older notes what it stored in any case, so after this time all stores are noted.
 */
export const UNCOUNTED_FOR = 2_500

/** Pause before it is tried again to have changes noted, in ms. */
const PAUSE = 1_000

/**
 * Knows which keys have changed in Redis lately, so that a copy in memory can be used after a look at the head of the log
 * alone.
 *
 * Each script that stores an entry or a tombstone counts the change in the head, and notes the key in a ring of fixed
 * size. A *place* is a number of such changes, made comparable over lives of the log: a copy that was read from Redis at
 * a place is the one that Redis has, unless its key was noted after it. If a process cannot know that (it fell behind by
 * more than the ring holds, the ring was evicted, the log has another life), each key is read once more.
 */
export class Changes {
  readonly #port: RedisPort
  readonly #clock: Clock
  /** How long processes may store without a note after changes were first counted, in ms. */
  readonly #grace: number
  readonly #ringKey: string
  /** The last head that was followed. */
  #text: string | undefined
  #life = ''
  /** The seed of names in this life: which keys share a name cannot be foreseen. */
  #seed = 0
  /** Number of changes that this process knows; `undefined` if they are not counted. */
  #count: number | undefined
  /** Until when processes may store without a note, in monotonic ms. */
  #unsureUntil = Number.NEGATIVE_INFINITY
  /** The place of the change with number 0. */
  #offset = 0
  /** When a change was last applied, in monotonic ms. */
  #movedAt = Number.NEGATIVE_INFINITY
  /** The highest place that was given for a change made here. */
  #highest = 0
  /** Copies read at an earlier place may have changed. */
  #floor = 0
  /** The last place before places started over: no change that was known then has a higher one. */
  #base = 0
  /** The place of the last change of each key, the oldest first. */
  #records = new Map<number, number>()
  /** The records of the life before: what was replaced in it stays replaced. */
  #past: Past | undefined
  #reading: Promise<void> | undefined
  /** When it was last tried to have changes counted, in monotonic ms. */
  #triedAt = Number.NEGATIVE_INFINITY
  #gaps = 0

  constructor(port: RedisPort, keyPrefix: string, clock: Clock) {
    this.#port = port
    this.#clock = clock
    this.#grace = port.isCluster ? UNCOUNTED_FOR : 0
    this.#ringKey = ownName(keyPrefix, 'changes')
  }

  /** Whether changes are counted in this life of the log, as far as this process knows, and all of them are noted. */
  isOpen(life: string): boolean {
    return this.#isCounted(life) && (this.#grace === 0 || this.#clock.monotonic() >= this.#unsureUntil)
  }

  /** The place up to which all changes are known. */
  get place(): number {
    return this.#offset + (this.#count ?? 0)
  }

  /** The place of a head that was followed; `undefined` if places have started over since. */
  placeOf(text: string | undefined): number | undefined {
    const { life, count } = readCount(text)
    return count === undefined || !this.isOpen(life) ? undefined : Math.min(this.#placeAt(count), this.place)
  }

  /**
   * Prepares for a change that is about to be made in a life of the log: the function returned makes a place of its number,
   * as Redis tells it; `undefined` if places cannot be compared any more.
   *
   * On a cluster the note is a command of its own: another process may have stored after this one, and noted before it.
   * Then the place returned is the one known before, so that the key is read once more, unless `isLast` says that it was
   * seen after the note that Redis has nothing else.
   */
  expect(life: string): (count: number | undefined, isLast?: boolean) => number | undefined {
    const offset = this.#offset
    const before = this.place
    return (count, isLast = !this.#port.isCluster) => {
      if (count === undefined || !this.isOpen(life)) return undefined
      // After a gap, the number may be from before it.
      if (offset !== this.#offset) return this.#placeAt(count)
      const place = offset + count
      this.#highest = Math.max(this.#highest, place)
      return isLast || place === before + 1 ? place : before
    }
  }

  /** Whether the copy of a key that was read from Redis at a place is still what Redis has. */
  judge(key: string, place: number): Currency {
    if (place >= this.place) return 'current'
    const changedAt = this.#records.size === 0 ? undefined : this.#records.get(hashOf(this.#seed, key))
    if (changedAt !== undefined && changedAt > place) return 'replaced'
    if (place >= this.#floor) return 'current'
    const past = this.#past
    const changedBefore = past === undefined ? undefined : past.records.get(hashOf(past.seed, key))
    return changedBefore !== undefined && changedBefore > place ? 'replaced' : 'unknown'
  }

  /** Has changes counted in a life of the log that this process enters. @throws as the port */
  async enter(headKey: string, life: string): Promise<void> {
    const askedAt = this.#clock.monotonic()
    this.#triedAt = askedAt
    // The reply to a read from before an outage may never come.
    this.#reading = undefined
    const text = String(await countChangesScript.run(this.#port, [headKey], [life]))
    if (readCount(text).life === life) await this.follow(text, askedAt)
  }

  /** Tries again to have changes counted, if they are not. Never rejects. */
  retry(tier: RedisTier, headKey: string, life: string): void {
    if (this.#isCounted(life) || this.#clock.monotonic() - this.#triedAt < PAUSE) return
    tier.run(() => this.enter(headKey, life), 'store').catch(() => {})
  }

  /**
   * Learns of all changes up to this head.
   *
   * @param askedAt - when the head was asked for, in monotonic ms
   * @returns undefined if there is nothing to do; otherwise a promise that rejects if Redis does not answer
   */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    if (text === this.#text) return undefined
    const { life, count } = readCount(text)
    if (life === this.#life && this.#count !== undefined && count !== undefined && count > this.#count) {
      return this.#readUpTo(text, { life, count })
    }
    // A reply may have been overtaken by later ones, whose changes are known.
    if (askedAt > this.#movedAt) {
      if (life !== this.#life || count !== this.#count) this.#startOver(life, count)
      this.#text = text
    }
    return undefined
  }

  stats(): ChangeStats {
    return { records: this.#records.size, maxRecords: MAX_RECORDS, gaps: this.#gaps }
  }

  /** A number from before places started over has no place among them: what was read then counts as unknown. */
  #placeAt(count: number): number {
    return Math.max(this.#offset + count, this.#base)
  }

  #isCounted(life: string): boolean {
    return this.#count !== undefined && this.#life === life
  }

  async #readUpTo(text: string | undefined, { life, count }: Counted): Promise<void> {
    while (this.#life === life && this.#count !== undefined && this.#count < count) {
      const reading = this.#reading ?? this.#read(this.#count, count, this.#offset)
      this.#reading = reading
      try {
        await reading
      } finally {
        if (this.#reading === reading) this.#reading = undefined
      }
    }
    if (this.#life === life && this.#count === count) this.#text = text
  }

  /** Applies the changes with numbers above `known`, as far as their notes are there. */
  async #read(known: number, count: number, offset: number): Promise<void> {
    const first = Math.max(known, count - RING_SIZE) + 1
    const from = (first - 1) % RING_SIZE
    const upTo = count % RING_SIZE
    const parts =
      upTo > from ? [this.#part(from, upTo)] : [this.#part(from, RING_SIZE), ...(upTo > 0 ? [this.#part(0, upTo)] : [])]
    const ring = (await Promise.all(parts)).join('')
    // The places started over in the meantime.
    if (offset !== this.#offset || known !== this.#count) return
    let isWhole = first === known + 1
    for (let number = first; number <= count; number++) {
      const at = (number - first) * CHANGE_BYTES
      const name = Number.parseInt(ring.slice(at + 8, at + CHANGE_BYTES), 16)
      if (ring.slice(at, at + 8) !== String(number % 1e8).padStart(8, '0') || Number.isNaN(name)) isWhole = false
      else this.#apply(name, offset + number)
    }
    this.#count = count
    this.#movedAt = this.#clock.monotonic()
    if (isWhole) return
    // Each key without a note may have changed too.
    this.#gaps++
    this.#floor = Math.max(this.#floor, this.place)
  }

  async #part(from: number, upTo: number): Promise<string> {
    const range = [String(from * CHANGE_BYTES), String(upTo * CHANGE_BYTES - 1)]
    try {
      return String(await this.#port.send(this.#ringKey, ['GETRANGE', this.#ringKey, ...range]))
    } catch (error) {
      // Another program has written there: what changed is not known.
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return ''
      throw error
    }
  }

  #apply(name: number, place: number): void {
    this.#records.delete(name)
    this.#records.set(name, place)
    if (this.#records.size <= MAX_RECORDS) return
    for (const [oldest, at] of this.#records) {
      this.#records.delete(oldest)
      this.#floor = Math.max(this.#floor, at)
      return
    }
  }

  /** Every copy may have changed now; those known to be replaced stay so, because places go on. */
  #startOver(life: string, count: number | undefined): void {
    if (this.#life !== '' && this.#count !== undefined) this.#gaps++
    if (life !== this.#life || this.#count === undefined) this.#unsureUntil = this.#clock.monotonic() + this.#grace
    this.#base = Math.max(this.place, this.#highest)
    this.#floor = this.#base + 1
    if (life !== this.#life) {
      this.#past = { seed: this.#seed, records: this.#records }
      this.#records = new Map()
      this.#seed = hashOf(0, life)
    }
    this.#life = life
    this.#offset = this.#floor - (count ?? 0)
    this.#count = count
    this.#movedAt = this.#clock.monotonic()
    this.#reading = undefined
  }
}

/** The names of the keys that changed in an earlier life of the log, with their places. */
interface Past {
  readonly seed: number
  readonly records: ReadonlyMap<number, number>
}

/** How often Redis has counted a change, in a life of the log. */
interface Counted {
  readonly life: string
  readonly count: number
}

/** What a head says of changes; its fields are those of `readHead`. */
function readCount(text = ''): { readonly life: string; readonly count: number | undefined } {
  const [, life = '', count] = /^\d+ (\S+) \d+ \S+ \d+ \d+ \S+(?: c(\d+))?/.exec(text) ?? []
  return { life, count: count === undefined ? undefined : Number(count) }
}

/** The name of a key in the ring, in a life of the log. */
export function changeName(life: string, key: string): string {
  return hashOf(hashOf(0, life), key).toString(16).padStart(8, '0')
}

function hashOf(seed: number, text: string): number {
  let hash = seed ^ text.length
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x5bd1e995)
    hash ^= hash >>> 15
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
