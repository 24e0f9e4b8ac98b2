import { validateHeaderValue } from 'node:http'
import { brand } from '../../core/brand.js'
import type { Entry } from '../../core/entry.js'
import type { Meter } from '../../core/meters.js'
import type { Reply } from '../port/reply.js'
import { currentAge } from '../rules/age.js'
import type { Reusable } from '../rules/reusable.js'
import { IDENTITY } from '../syntax/accept-encoding.js'
import type { CacheControl } from '../syntax/cache-control.js'
import { appendCacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { emptyFields, type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { areToBeMade, type Encoding, lengthOfIdentity } from './encodings.js'
import { type FieldNames, namesInList } from './field-names.js'
import type { Parsed } from './parsed-entries.js'
import { type StoredHead, withContentLength } from './stored-head.js'

/** The name of this cache in Cache-Status (RFC 9211). */
export const CACHE_NAME = 'fallback-cache'

/** A 304 or bodiless reply derived from a whole one, reusable as long as the whole one is the same object. */
export interface InPlace {
  readonly of: Reply
  readonly reply: Reply
}

/** What is known when a {@link StoredResponse} is made of its head. */
interface ReadHead {
  /** The coding of this representation; `undefined` for the stored response itself. */
  readonly coding?: string
  /** The body of the entry. */
  readonly body?: Buffer
  /** The names of the fields, if those are complete and valid. */
  readonly names?: FieldNames
  readonly isLengthAdded?: boolean
}

const NOTHING_READ: ReadHead = {}

/** A stored response: its head, its body, and the replies made from it (RFC 9111, section 2). */
export class StoredResponse implements Reusable, Parsed {
  readonly entry: Entry
  /** The bytes as the handler sent them. */
  readonly body: Buffer
  readonly identity: string
  readonly status: number
  readonly reason: string | undefined
  /** The fields to send, including `Content-Length`. */
  readonly list: FieldList
  /** Whether `Content-Length` is not of the handler. */
  readonly isLengthAdded: boolean
  readonly ownEntityTag: boolean
  readonly appended: readonly string[]
  readonly removed: readonly string[]
  readonly control: CacheControl
  readonly initialAge: number
  readonly cost: number
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly selecting: readonly string[]
  readonly values: readonly (string | null)[]
  readonly nested: boolean
  readonly routePattern: string | undefined
  readonly encodings: readonly Encoding[] | undefined
  /** The codings of the encoded forms that exist. */
  readonly codings: readonly string[]
  /** The coding of this representation; `undefined` for the stored response itself. */
  readonly coding: string | undefined
  /** Representations made by `representationFor`; `undefined` if it has no encoded forms. */
  readonly representations: Map<string, StoredResponse> | undefined
  /** The names of {@link list}. */
  readonly names: FieldNames
  /** See {@link Parsed}. */
  isUsed = false
  /** Counts the requests of its route; set on first use. */
  meter: Meter | undefined = undefined
  /** The most recent 304. */
  notModified: InPlace | undefined = undefined
  /** The most recent reply to HEAD. */
  bodiless: InPlace | undefined = undefined
  #byName: Fields | undefined
  readonly #isChecked: boolean
  #checkedNames: readonly string[] | undefined | null = null
  #whole: Reply | undefined
  #detail: string | undefined
  #key: string | undefined
  #collapsed:
    | { readonly fwd: string | undefined; readonly from: number; readonly until: number; readonly reply: Reply }
    | undefined
  #wholeFrom = 0
  #wholeUntil = 0

  /**
   * @param read - the coding of a representation; the body, and the names of complete and valid fields, if they are
   * known
   */
  constructor(
    entry: Entry,
    head: StoredHead,
    { coding, body = entry.body, names, isLengthAdded }: ReadHead = NOTHING_READ,
  ) {
    const { encodings } = head
    this.entry = entry
    this.body = encodings === undefined ? body : body.subarray(0, lengthOfIdentity(body, encodings))
    this.identity = head.identity
    this.status = head.status
    this.reason = head.reason
    this.list = names === undefined ? withContentLength(head, this.body.length) : head.fields
    this.isLengthAdded = isLengthAdded ?? this.list !== head.fields
    this.names = names ?? namesInList(this.list)
    this.#isChecked = names !== undefined
    this.ownEntityTag = head.ownEntityTag
    this.appended = head.appended
    this.removed = head.removed
    this.control = head.control
    this.initialAge = head.initialAge
    this.cost = head.cost
    this.staleWhileRevalidate = head.staleWhileRevalidate
    this.staleIfError = head.staleIfError
    this.selecting = head.selecting
    this.values = head.values
    this.nested = head.nested
    this.routePattern = head.routePattern
    this.encodings = encodings
    this.codings = encodings?.filter(({ length }) => length > 0).map((made) => made.coding) ?? NO_CODINGS
    this.coding = coding
    this.representations = encodings === undefined ? undefined : new Map()
  }

  get receivedAt(): number {
    return this.entry.storedAt
  }

  get staleAt(): number {
    return this.entry.staleAt
  }

  /** The fields by lower-case name. */
  get byName(): Fields {
    if (this.#byName !== undefined) return this.#byName
    const byName = emptyFields()
    for (const [at, name] of this.names.lower.entries()) byName[name] = this.list[2 * at + 1] ?? ''
    this.#byName = byName
    return byName
  }

  /** Whether its bytes are encoded by this cache. */
  get isEncoded(): boolean {
    return this.coding !== undefined && this.coding !== IDENTITY
  }

  /** Whether encoded forms are missing that this process could make. */
  get isToBeEncoded(): boolean {
    return areToBeMade(this.encodings)
  }

  /** {@link byName} without an entity tag that only this cache knows: the validators to send to the handler. */
  get validators(): Fields {
    return this.ownEntityTag ? { ...this.byName, etag: undefined } : this.byName
  }

  /** The value of Age at time `now`, in seconds. */
  ageAt(now: number): number {
    return currentAge(this.initialAge, this.receivedAt, now)
  }

  /** The remaining freshness lifetime in whole seconds; negative once it is stale. */
  lifetimeLeft(now: number): number {
    const left = (this.staleAt - now) / 1000
    return left >= 0 ? Math.ceil(left) : Math.floor(left)
  }

  /**
   * The whole response as a hit. Returns the same object while Age and Cache-Status are unchanged, so that hits within
   * one second allocate nothing.
   *
   * @param detail - the source for Cache-Status; `undefined` for no Cache-Status
   * @param key - the key for Cache-Status, for debugging
   */
  asHit(now: number, detail: string | undefined, key: string | undefined): Reply {
    const whole = this.#whole
    if (
      whole !== undefined &&
      now < this.#wholeUntil &&
      now >= this.#wholeFrom &&
      detail === this.#detail &&
      key === this.#key
    ) {
      return whole
    }
    const made = this.answer(this.list, now, this.hitStatus(now, detail, key), this.#namesOfHit())
    this.#whole = made
    this.#detail = detail
    this.#key = key
    this.#wholeFrom = now
    this.#wholeUntil = now + untilNextSecond(this, now)
    return made
  }

  /**
   * The whole response for requests that waited for it. Returns the same object for all of them, because a stampede
   * sends many at once through code that is not optimized yet.
   *
   * @param fwd - for Cache-Status: why the request was forwarded; `undefined` for no Cache-Status
   * @param status - our member of Cache-Status for it
   */
  asCollapsed(now: number, fwd: string | undefined, status: () => string | undefined): Reply {
    const known = this.#collapsed
    if (known !== undefined && known.fwd === fwd && now >= known.from && now < known.until) return known.reply
    const reply = this.answer(this.list, now, status(), this.#namesOfHit())
    this.#collapsed = { fwd, from: now, until: now + untilNextSecond(this, now), reply }
    return reply
  }

  get #upstream(): string | undefined {
    const { cacheStatusAt } = this.names
    return cacheStatusAt < 0 ? undefined : fieldValue({ value: this.list[2 * cacheStatusAt + 1] }, 'value')
  }

  /** Validated once per response, so that a program that writes to Redis cannot inject a line break into a field. */
  #namesOfHit(): readonly string[] | undefined {
    if (this.#checkedNames === null) {
      const isPlain = (this.#isChecked || areValid(this.list)) && this.#hasPlainDisposition()
      this.#checkedNames = isPlain ? this.names.ofHit : undefined
    }
    return this.#checkedNames
  }

  /** Node.js writes other letters of this field in a way of its own, which an adapter has to prevent. */
  #hasPlainDisposition(): boolean {
    const at = this.names.dispositionAt
    return at < 0 || ASCII.test(String(this.list[2 * at + 1]))
  }

  /** Our member of Cache-Status for a hit. */
  hitStatus(now: number, detail: string | undefined, key: string | undefined): string | undefined {
    if (detail === undefined) return undefined
    return cacheStatusMember(CACHE_NAME, { hit: true, ttl: this.lifetimeLeft(now), detail, key })
  }

  /** The response with these fields, its Age, and our member of Cache-Status. */
  answer(
    list: FieldList,
    now: number,
    cacheStatus: string | undefined,
    checkedNames?: readonly string[] | undefined,
  ): Reply {
    const fields: FieldValue[] = [...list, 'Age', String(this.ageAt(now))]
    // Appended to the members of caches nearer to the origin, which are part of the list (RFC 9211, section 2).
    if (cacheStatus !== undefined) fields.push('Cache-Status', appendCacheStatus(this.#upstream, cacheStatus))
    const { status, reason, removed, body, isLengthAdded } = this
    return { status, reason, fields, isLengthAdded, checkedNames, removed, body, memo: undefined }
  }
}

/** Whether Node.js accepts all values of a list. */
function areValid(list: FieldList): boolean {
  try {
    for (let at = 0; at < list.length; at += 2) {
      for (const line of [list[at + 1]].flat()) validateHeaderValue(String(list[at]), String(line))
    }
    return true
  } catch {
    return false
  }
}

const ASCII = /^[ -~]*$/

const NO_CODINGS: readonly string[] = Object.freeze([])

/** Milliseconds until Age or the remaining lifetime changes. */
function untilNextSecond(stored: StoredResponse, now: number): number {
  const age = stored.initialAge + Math.max(0, now - stored.receivedAt)
  const left = stored.staleAt - now
  const toAge = 1000 - (age % 1000)
  const seconds = stored.lifetimeLeft(now)
  const toLeft = left > 0 ? left - (seconds - 1) * 1000 : left - seconds * 1000 + 1
  return Math.min(toAge, toLeft)
}

brand(StoredResponse, 'stored-response')
