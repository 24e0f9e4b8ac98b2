import { validateHeaderName, validateHeaderValue } from 'node:http'
import { brand } from '../../core/brand.js'
import type { Entry } from '../../core/entry.js'
import type { Reply } from '../port/exchange.js'
import { currentAge } from '../rules/age.js'
import type { Reusable } from '../rules/reusable.js'
import { IDENTITY } from '../syntax/accept-encoding.js'
import type { CacheControl } from '../syntax/cache-control.js'
import { appendCacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { emptyFields, type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { areToBeMade, type Encoding, lengthOfIdentity } from './encodings.js'
import type { Parsed } from './parsed-entries.js'

/** The name under which this cache appears in Cache-Status (RFC 9211). */
export const CACHE_NAME = 'fallback-cache'

/** The head of a response, as it is kept beside its body. */
export interface StoredHead {
  /** What must be equal for the response to be used, in full. */
  readonly identity: string
  readonly status: number
  readonly reason: string | undefined
  readonly fields: FieldList
  /** Whether the entity tag among them is made by this cache: nobody behind it knows it. */
  readonly ownEntityTag: boolean
  /** Fields that are added to those of outer middleware, and do not replace them, in lower case. */
  readonly appended: readonly string[]
  /** Fields that the route took away from what outer middleware had set. */
  readonly removed: readonly string[]
  /** The directives that decided, wherever they stood. */
  readonly control: CacheControl
  /** Milliseconds. */
  readonly initialAge: number
  /** How long its handler took until the head was there, milliseconds. */
  readonly cost: number
  /** Seconds. */
  readonly staleWhileRevalidate: number
  /** Seconds. */
  readonly staleIfError: number
  /** The selecting fields and their values in the request. */
  readonly selecting: readonly string[]
  readonly values: readonly (string | null)[]
  /** Whether it was stored by a middleware that another one has to ask first. */
  readonly nested: boolean
  /** The encoded forms that lie behind the body, or are going to; `undefined` for a response that is sent as it is only. */
  readonly encodings?: readonly Encoding[] | undefined
}

/** What was sent in place of a whole answer, to be sent again as long as that one is the same. */
export interface InPlace {
  readonly of: Reply
  readonly reply: Reply
}

/** A stored response: its head, its body, and the answers made of it (RFC 9111, section 2). */
export class StoredResponse implements Reusable, Parsed {
  readonly entry: Entry
  /** The bytes as the handler made them. */
  readonly body: Buffer
  readonly identity: string
  readonly status: number
  readonly reason: string | undefined
  /** As they go out, `Content-Length` included. */
  readonly list: FieldList
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
  readonly encodings: readonly Encoding[] | undefined
  /** The codings of the encoded forms that have been made. */
  readonly codings: readonly string[]
  /** Which one of several representations of a stored response this is; `undefined`: the stored response itself. */
  readonly coding: string | undefined
  /** What `representationFor` has made of it; `undefined` for what has no encoded forms. */
  readonly representations: Map<string, StoredResponse> | undefined
  /** Whether {@link list} has a Vary. */
  readonly hasVary: boolean
  /** See {@link Parsed}. */
  isUsed = false
  /** The 304 that was made last. */
  notModified: InPlace | undefined = undefined
  /** The answer to HEAD that was made last. */
  bodiless: InPlace | undefined = undefined
  #byName: Fields | undefined
  readonly #upstream: string | undefined
  #checkedNames: readonly string[] | undefined | null = null
  #whole: Reply | undefined
  #detail: string | undefined
  #key: string | undefined
  #collapsed:
    | { readonly fwd: string | undefined; readonly from: number; readonly until: number; readonly reply: Reply }
    | undefined
  #wholeFrom = 0
  #wholeUntil = 0

  constructor(entry: Entry, head: StoredHead, coding?: string) {
    const { encodings } = head
    this.entry = entry
    this.body = encodings === undefined ? entry.body : entry.body.subarray(0, lengthOfIdentity(entry.body, encodings))
    this.identity = head.identity
    this.status = head.status
    this.reason = head.reason
    this.list = withContentLength(head, this.body.length)
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
    this.encodings = encodings
    this.codings = encodings?.filter(({ length }) => length > 0).map((made) => made.coding) ?? NO_CODINGS
    this.coding = coding
    this.representations = encodings === undefined ? undefined : new Map()
    this.hasVary = this.list.some((name, at) => at % 2 === 0 && String(name).toLowerCase() === 'vary')
    this.#upstream = valueIn(this.list, 'cache-status')
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
    for (let at = 0; at < this.list.length; at += 2) {
      byName[String(this.list[at]).toLowerCase()] = this.list[at + 1] ?? ''
    }
    this.#byName = byName
    return byName
  }

  /** Whether its bytes are in a coding that this cache has put them into. */
  get isEncoded(): boolean {
    return this.coding !== undefined && this.coding !== IDENTITY
  }

  /** Whether there are encoded forms still to be made, and this process could make them. */
  get isToBeEncoded(): boolean {
    return areToBeMade(this.encodings)
  }

  /** {@link byName}, without an entity tag that the handler cannot know: what it may be asked about. */
  get validators(): Fields {
    return this.ownEntityTag ? { ...this.byName, etag: undefined } : this.byName
  }

  /** The Age field's value at a moment, seconds. */
  ageAt(now: number): number {
    return currentAge(this.initialAge, this.receivedAt, now)
  }

  /** What is left of the freshness lifetime, in whole seconds; negative once it is stale. */
  lifetimeLeft(now: number): number {
    const left = (this.staleAt - now) / 1000
    return left >= 0 ? Math.ceil(left) : Math.floor(left)
  }

  /**
   * The whole response as a hit. The same object as long as Age and Cache-Status say the same, so that hits within one second
   * make nothing anew.
   *
   * @param detail - for Cache-Status: where it came from; `undefined`: no Cache-Status
   * @param key - for Cache-Status, when debugging
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
   * The whole response for a request that waited for it; the same object for all that did. A stampede is when much is to be sent at once
   * by code that has hardly run before.
   *
   * @param fwd - for Cache-Status: what the request was forwarded for; `undefined`: no Cache-Status
   * @param status - our member of Cache-Status for it
   */
  asCollapsed(now: number, fwd: string | undefined, status: () => string | undefined): Reply {
    const known = this.#collapsed
    if (known !== undefined && known.fwd === fwd && now >= known.from && now < known.until) return known.reply
    const reply = this.answer(this.list, now, status(), this.#namesOfHit())
    this.#collapsed = { fwd, from: now, until: now + untilNextSecond(this, now), reply }
    return reply
  }

  /** Looked at once a response: nobody shall put a line break into a field by way of Redis. */
  #namesOfHit(): readonly string[] | undefined {
    if (this.#checkedNames === null) this.#checkedNames = checkedNames([...this.list, ...ADDED])
    return this.#checkedNames
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
    // Over the members of caches nearer to the origin, which are in the list (RFC 9211, section 2).
    if (cacheStatus !== undefined) fields.push('Cache-Status', appendCacheStatus(this.#upstream, cacheStatus))
    const { status, reason, removed, body } = this
    return { status, reason, fields, checkedNames, removed, body, memo: undefined }
  }
}

function valueIn(list: FieldList, name: string): string | undefined {
  for (let at = 0; at < list.length; at += 2) {
    if (String(list[at]).toLowerCase() === name) return fieldValue({ value: list[at + 1] }, 'value')
  }
  return undefined
}

/** What a hit has beside the stored fields; nothing in their values can be wrong. */
const ADDED: FieldList = ['Age', '0', 'Cache-Status', '']

/** The names of a list in lower case; `undefined` when node would refuse one of them or its value. */
function checkedNames(list: FieldList): readonly string[] | undefined {
  const names: string[] = []
  try {
    for (let at = 0; at < list.length; at += 2) {
      const name = String(list[at])
      validateHeaderName(name)
      for (const line of [list[at + 1]].flat()) validateHeaderValue(name, String(line))
      names.push(name.toLowerCase())
    }
  } catch {
    return undefined
  }
  return names
}

const NO_CODINGS: readonly string[] = Object.freeze([])

function withContentLength(head: StoredHead, length: number): FieldList {
  if (head.status === 204 || head.status === 304) return head.fields
  for (let at = 0; at < head.fields.length; at += 2) {
    if (String(head.fields[at]).toLowerCase() === 'content-length') return head.fields
  }
  return [...head.fields, 'Content-Length', String(length)]
}

/** Milliseconds until Age or the remaining lifetime says something else. */
function untilNextSecond(stored: StoredResponse, now: number): number {
  const age = stored.initialAge + Math.max(0, now - stored.receivedAt)
  const left = stored.staleAt - now
  const toAge = 1000 - (age % 1000)
  const toLeft = left > 0 ? left - (Math.ceil(left / 1000) - 1) * 1000 : 1000 - (-left % 1000)
  return Math.min(toAge, toLeft)
}

brand(StoredResponse, 'stored-response')
