import type { IncomingMessage } from 'node:http'
import type { InputsRead } from '../../http/port/index.js'
import { layAccessor, type OwnAccessor } from './own-accessors.js'
import { type RecordReader, watchedRecord } from './watched-fields.js'

/** Properties in which cookie parsers store cookies on a request. */
const PARSED = ['cookies', 'signedCookies'] as const

/** Properties whose assignment shows that the code that read the Cookie field is a parser or a session middleware. */
const ASSIGNED = [...PARSED, 'session'] as const

type AssignedName = (typeof ASSIGNED)[number]

type Parsed = IncomingMessage & { [Name in (typeof PARSED)[number]]?: unknown }

interface WatchedValue {
  readonly own: unknown
  readonly watched: unknown
}

const NO_VALUES: ReadonlyMap<AssignedName, WatchedValue> = new Map()

/**
 * Records which cookies of a request are read. A read of the Cookie field counts as reading all cookies, unless the
 * same turn shows who read it: cookie-parser assigns `req.cookies`, whose entries are watched instead; express-session
 * assigns a new `req.session`, after which only everyday cookies are treated as unused.
 */
export class CookieWatch implements RecordReader {
  readonly countsAllNames = true
  readonly #request: IncomingMessage
  readonly #inputs: InputsRead
  /** The original and the watched value of each property. */
  #values: ReadonlyMap<AssignedName, WatchedValue> = NO_VALUES
  #hasAccessors = false
  /** The state before the last read of the Cookie field in the current turn, in case the reader is a parser. */
  #before: { readonly every: boolean; readonly names: number; readonly hasSecret: boolean } | undefined

  constructor(request: IncomingMessage, inputs: InputsRead) {
    this.#request = request
    this.#inputs = inputs
  }

  /** Watches the cookies that a parser in front of the cache has stored. */
  watchParsed(): void {
    const request: Parsed = this.#request
    const cookies = this.#watched('cookies', request.cookies)
    if (cookies !== undefined) request.cookies = cookies
    const signed = this.#watched('signedCookies', request.signedCookies)
    if (signed !== undefined) request.signedCookies = signed
  }

  #watched(name: AssignedName, own: unknown): object | undefined {
    if (typeof own !== 'object' || own === null) return undefined
    const watched = watchedRecord(own, this)
    this.#keep(name, { own, watched })
    return watched
  }

  #keep(name: AssignedName, value: WatchedValue): void {
    this.#values = new Map(this.#values).set(name, value)
  }

  /** Records a read of the Cookie field. */
  onField(): void {
    if (!this.#inputs.isCounting) return
    if (this.#before === undefined) {
      queueMicrotask(() => {
        this.#before = undefined
      })
    }
    // Earlier reads of this turn were not the parser's, which reads the field once.
    const { everyCookie: every, cookies } = this.#inputs
    this.#before = { every, names: cookies.size, hasSecret: Object.hasOwn(this.#request, 'secret') }
    this.#inputs.allCookies()
    this.#defineAccessors()
  }

  one(name: string): void {
    this.#inputs.cookie(name)
  }

  all(): void {
    this.#inputs.allCookies()
  }

  /** An object of a class may hold other cookies than those of the Cookie field. */
  hidden(): void {
    this.#inputs.allCookies()
    this.#inputs.filled('req:cookies', false)
  }

  uninstall(): void {
    if (!this.#hasAccessors && this.#values === NO_VALUES) return
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
      layAccessor(this.#request, name, new AssignedCookies(this, name), true)
    }
  }

  /** The watched value of a property that a parser has assigned. */
  assigned(name: AssignedName): unknown {
    return this.#values.get(name)?.watched
  }

  /** Takes what a parser assigns to a property. */
  assign(name: AssignedName, value: unknown): void {
    if (name === 'session') this.#excuseSession()
    // cookie-parser sets `secret` after its read; another parser may store the cookies elsewhere too, so its read counts.
    else if (this.#before?.hasSecret === false && Object.hasOwn(this.#request, 'secret')) this.#excuse()
    const known = this.#values.get(name)
    // A parser assigns the same object again after replacing its entries.
    if (known !== undefined && known.watched === value) return
    const isRecord = name !== 'session' && typeof value === 'object' && value !== null
    this.#keep(name, { own: value, watched: isRecord ? watchedRecord(value, this) : value })
  }

  /** A session that express-session assigns in the same turn is new: no cookie referred to an existing session. */
  #excuseSession(): void {
    if (this.#before === undefined || !Object.hasOwn(this.#request, 'sessionStore')) return
    this.#excuse()
    this.#inputs.cookie('')
  }

  /** Reverts the last read recorded in this turn, which was the parser's. */
  #excuse(): void {
    if (this.#before !== undefined) this.#inputs.forgetCookies(this.#before.every, this.#before.names)
  }
}

class AssignedCookies implements OwnAccessor {
  readonly #watch: CookieWatch
  readonly #name: AssignedName

  constructor(watch: CookieWatch, name: AssignedName) {
    this.#watch = watch
    this.#name = name
  }

  get(): unknown {
    return this.#watch.assigned(this.#name)
  }

  set(value: unknown): void {
    this.#watch.assign(this.#name, value)
  }
}

const PLAIN = { writable: true, enumerable: true, configurable: true } as const
