import type { IncomingMessage } from 'node:http'
import type { InputsRead } from '../../http/port/index.js'
import { type RecordReader, watchedRecord } from './watched-fields.js'

/** Properties in which parsers leave cookies on a request. */
const PARSED = ['cookies', 'signedCookies'] as const

/** Properties by which the reader of a Cookie field shows that it is a parser, or keeps a session. */
const ASSIGNED = [...PARSED, 'session'] as const

type AssignedName = (typeof ASSIGNED)[number]

/**
 * Notes which cookies of a request are read. A read of the Cookie field counts as a read of every cookie, unless the same turn shows
 * that cookie-parser made it, which assigns `req.cookies`, whose entries are watched then; or express-session, which assigns a new
 * `req.session`: then only everyday cookies are known not to matter.
 */
export class CookieWatch implements RecordReader {
  readonly #request: IncomingMessage
  readonly #inputs: InputsRead
  /** What stands in a property, and what was put there. */
  readonly #values = new Map<AssignedName, { readonly own: unknown; readonly watched: unknown }>()
  #hasAccessors = false
  /** The cookies that counted before a read of the field whose reader may be a parser. */
  #before: { readonly every: boolean; readonly names: number } | undefined

  constructor(request: IncomingMessage, inputs: InputsRead) {
    this.#request = request
    this.#inputs = inputs
  }

  /** Watches what a parser in front of the cache has left. */
  watchParsed(): void {
    for (const name of PARSED) {
      const own: unknown = Reflect.get(this.#request, name)
      if (typeof own !== 'object' || own === null) continue
      const watched = watchedRecord(own, this)
      this.#values.set(name, { own, watched })
      Reflect.set(this.#request, name, watched)
    }
  }

  /** The Cookie field was read. */
  onField(): void {
    if (!this.#inputs.isCounting) return
    if (this.#before === undefined) {
      this.#before = { every: this.#inputs.everyCookie, names: this.#inputs.cookies.size }
      queueMicrotask(() => {
        this.#before = undefined
      })
    }
    this.#inputs.allCookies()
    this.#defineAccessors()
  }

  one(name: string): void {
    this.#inputs.cookie(name)
  }

  all(): void {
    this.#inputs.allCookies()
  }

  uninstall(): void {
    const request = this.#request
    for (const name of ASSIGNED) {
      const value = this.#values.get(name)
      const isAccessor = this.#hasAccessors && Object.getOwnPropertyDescriptor(request, name)?.get !== undefined
      if (isAccessor && value === undefined) Reflect.deleteProperty(request, name)
      else if (isAccessor || (value !== undefined && Reflect.get(request, name) === value.watched)) {
        Object.defineProperty(request, name, { ...PLAIN, value: value?.own })
      }
    }
  }

  #defineAccessors(): void {
    if (this.#hasAccessors) return
    this.#hasAccessors = true
    for (const name of ASSIGNED) {
      if (name in this.#request) continue
      Object.defineProperty(this.#request, name, {
        get: () => this.#values.get(name)?.watched,
        set: (value: unknown) => this.#assign(name, value),
        enumerable: true,
        configurable: true,
      })
    }
  }

  #assign(name: AssignedName, value: unknown): void {
    if (name === 'session') this.#excuseSession()
    // cookie-parser sets it before all else; a parser of the application's own may keep the cookies elsewhere too.
    else if (Object.hasOwn(this.#request, 'secret')) this.#excuse()
    const known = this.#values.get(name)
    // A parser assigns the same record again once it has replaced its entries.
    if (known !== undefined && known.watched === value) return
    const isRecord = name !== 'session' && typeof value === 'object' && value !== null
    this.#values.set(name, { own: value, watched: isRecord ? watchedRecord(value, this) : value })
  }

  /** The session that express-session assigns at once is a new one: no cookie named a session. */
  #excuseSession(): void {
    if (this.#before === undefined || !Object.hasOwn(this.#request, 'sessionStore')) return
    this.#excuse()
    this.#inputs.cookie('')
  }

  /** What was read in this turn is what the parser has read. */
  #excuse(): void {
    if (this.#before !== undefined) this.#inputs.forgetCookies(this.#before.every, this.#before.names)
  }
}

const PLAIN = { writable: true, enumerable: true, configurable: true } as const
