import type { FieldValue } from '../syntax/fields.js'
import { rootParameter } from '../syntax/parameters.js'
import { filledText, LINES, ROUTE } from './filled-inputs.js'
import { meetObject } from './met-objects.js'
import { NEUTRAL_FIELDS } from './neutral-fields.js'
import { NEUTRAL_RESPONSE_FIELDS, REFLECTED_RESPONSE_FIELDS, RESPONSE_FIELD } from './neutral-response-fields.js'
import { placeInCode } from './place-in-code.js'
import type { Filling } from './vary.js'

/**
 * Maximum number of names per kind; a run that reads more is treated as reading all of them, because clients may choose
 * names.
 */
const MAX_NAMES = 32

/**
 * Tells whether a logger has read the client's address. An object with a method, because V8 keeps a closure that is
 * assigned to a property, and the request that it refers to, until the next full garbage collection.
 */
export interface AddressExcuse {
  /** Whether one read of the address was made by a logger. */
  excusesOne(): boolean
}

/**
 * Records the inputs that one run of a handler reads from its request, while its response may be stored. Reading an
 * absent input counts too, because the response may depend on its absence.
 */
export class InputsRead {
  /** Fields that are not neutral, in lower case; never includes `cookie`. */
  fields: ReadonlySet<string> = NONE
  cookies: ReadonlySet<string> = NONE
  /** Whether all fields were read at once: copied, listed or serialized. */
  everyField = false
  /** Whether the whole Cookie field was read. */
  everyCookie = false
  /** Query parameters that are not part of the key. */
  parameters: ReadonlySet<string> = NONE
  /** Values set by middleware in front of the cache, named as in the option `vary` (`req:tenant`, `locals:*`). */
  filledValues: ReadonlySet<string> = NONE
  /** Like `filledValues`, for objects and functions whose names identify the user. */
  filledObjects: ReadonlySet<string> = NONE
  /**
   * Returns such a value as text, as it was when the run began; `null`: absent, `undefined`: not convertible. Set by
   * adapters that support them. An object for the reason in {@link AddressExcuse}.
   */
  filledBy: Filling | undefined
  /** The texts of objects that middleware in front has set, as they were when the run read them. */
  objectTexts: ReadonlyMap<string, string | undefined> = NO_TEXTS
  /** The names under which runs have read objects that cannot be compared; shared by all runs of a route. */
  metNames: Set<string> | undefined
  /** The response fields that middleware in front had set when the run began, by lower-case name. */
  fieldsBefore: Readonly<Record<string, FieldValue | number | undefined>> = NO_FIELDS
  /** Number of reads of the client's address. */
  addressReads = 0
  /** Set by adapters that can recognize loggers. */
  addressExcuse: AddressExcuse | undefined
  /** The parameters that are part of the key; `undefined` for all. */
  readonly keyedParameters: readonly string[] | undefined
  /** Whether Range was read: the response to a request with Range may then be made for that range. */
  range = false
  readonly ignored: ReadonlySet<string>
  readonly filledNames: readonly string[]
  /** Values that identify the user, regardless of their names. */
  readonly counted: ReadonlySet<string>
  /** Neutral fields that were read and that a response may repeat, in lower case. */
  neutral: ReadonlySet<string> = NONE
  /** The values of identifiers that middleware in front has set and that were read, by the names in `neutral`. */
  identifiers: ReadonlyMap<string, string> = NO_IDENTIFIERS
  /** Where in the code all fields were read, for a warning; `undefined` if unknown. */
  place: string | undefined
  /** Incremented by each new read. */
  version = 0
  readonly #closers: (() => void)[] = []
  #pauses = 0
  #isOpen = true

  /**
   * @param keyedParameters - the query parameters that are part of the key; `undefined` for all
   * @param ignored - inputs that are ignored
   * @param filledNames - the values set by middleware that `vary` lists
   * @param counted - the inputs that identify the user, as named by the route
   */
  constructor(
    keyedParameters?: readonly string[],
    ignored: ReadonlySet<string> = NONE,
    filledNames: readonly string[] = NO_NAMES,
    counted: ReadonlySet<string> = NONE,
  ) {
    this.keyedParameters = keyedParameters
    this.ignored = ignored
    this.filledNames = filledNames
    this.counted = counted
  }

  /** Whether the run is watched, even if reads are not recorded right now. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Whether reads are currently recorded. */
  get isCounting(): boolean {
    return this.#isOpen && this.#pauses === 0
  }

  /** @param name - in lower case, as in Node.js's `headers` */
  field(name: string): void {
    if (!this.isCounting) return
    if (name === 'range') this.range = true
    if (NEUTRAL_FIELDS.has(name)) {
      if (!UNREFLECTED.has(name) && !this.neutral.has(name)) this.neutral = new Set(this.neutral).add(name)
      return
    }
    if (name === 'cookie') this.allCookies()
    else this.#add('fields', name)
  }

  /**
   * Records a read of the separate lines of a field.
   *
   * @param name - in lower case
   */
  lines(name: string, lines: readonly string[] | undefined): void {
    if (!this.isCounting) return
    if (name === 'cookie' || NEUTRAL_FIELDS.has(name) || this.ignored.has(name)) {
      this.field(name)
      return
    }
    const input = LINES + name
    const text = filledText(lines)
    if (text !== null) this.objectTexts = new Map(this.objectTexts).set(input, text)
    this.filled(input, true)
  }

  allFields(): void {
    if (!this.isCounting || this.everyField) return
    this.everyField = true
    this.version += 1
    this.place = placeInCode()
  }

  cookie(name: string): void {
    if (this.isCounting) this.#add('cookies', name)
  }

  allCookies(): void {
    if (!this.isCounting || this.everyCookie) return
    this.everyCookie = true
    this.version += 1
  }

  /** Records a parameter, unless the key contains it or its root parameter. */
  parameter(name: string): void {
    const { keyedParameters: keyed } = this
    if (!this.isCounting || keyed === undefined || keyed.includes(name) || keyed.includes(rootParameter(name))) return
    this.#add('parameters', name)
  }

  /** Records that the query was copied, listed or serialized. */
  allParameters(): void {
    if (!this.isCounting || this.parameters.has('*')) return
    this.parameters = new Set(['*'])
    this.version += 1
  }

  /** Records a read of the client's address or certificate. */
  address(): void {
    if (!this.isCounting) return
    this.addressReads += 1
    this.version += 1
  }

  /** @param isPlain - whether the value can be compared directly: a string, a number, a boolean, or absent */
  filled(input: string, isPlain: boolean): void {
    if (!this.isCounting) return
    this.#add(isPlain ? 'filledValues' : 'filledObjects', input)
  }

  /** Records a read of an object whose name does not tell whether it identifies the user: it selects the response. */
  filledObject(input: string, value: object): void {
    if (!this.isCounting || this.objectTexts.has(input)) return
    let text = filledText(value)
    // A toJSON of the application may omit what the handler reads: only `vary` makes it stand for its object.
    if (text === undefined && filledText(value, true) === undefined) text = meetObject(this.metNames, input, value)
    this.objectTexts = new Map(this.objectTexts).set(input, text ?? undefined)
    this.filled(input, typeof text === 'string')
  }

  /** Records a read of a value that a getter makes, perhaps of what it keeps where no read is seen. */
  made(input: string, value: unknown): void {
    if (!this.isCounting || this.objectTexts.has(input)) return
    const text = filledText(value)
    if (text !== null && text !== undefined) this.objectTexts = new Map(this.objectTexts).set(input, text)
    if (text !== undefined) this.filled(input, true)
    else if (typeof value === 'object' && value !== null) this.filledObject(input, value)
  }

  /** Records the route that middleware in front has chosen among several. @param text - tells it from the others */
  route(text: string | undefined): void {
    this.objectTexts = new Map(this.objectTexts).set(ROUTE, text)
    this.filled(ROUTE, true)
  }

  /** @param name - of a response field, in lower case */
  responseField(name: string): void {
    if (!this.isCounting) return
    const input = `${RESPONSE_FIELD}${name}`
    if (!NEUTRAL_RESPONSE_FIELDS.has(name)) this.filled(input, !this.counted.has(input))
    if (name !== '*' && !REFLECTED_RESPONSE_FIELDS.has(name)) return
    for (const one of name === '*' ? REFLECTED_RESPONSE_FIELDS : [name]) {
      if (this.fieldsBefore[one] !== undefined) this.neutral = new Set(this.neutral).add(`${RESPONSE_FIELD}${one}`)
    }
  }

  /** Records a read of an identifier of the request, such as `req.id`, which middleware in front has set. */
  identifier(input: string, value: unknown): void {
    if (!this.isCounting || value === undefined || this.identifiers.has(input)) return
    this.identifiers = new Map(this.identifiers).set(input, String(value))
    this.neutral = new Set(this.neutral).add(input)
  }

  /** Restores an earlier state of the recorded cookies: a parser has read them, and its result is watched instead. */
  forgetCookies(every: boolean, names: number): void {
    this.everyCookie = every
    this.cookies = new Set([...this.cookies].slice(0, names))
  }

  /** Suspends recording until {@link resume}, while the cache itself or middleware in front of it reads. */
  pause(): void {
    this.#pauses += 1
  }

  resume(): void {
    this.#pauses -= 1
  }

  /** Registers a function that stops the watching. {@link close} calls the last one first: each finds what it has left. */
  onClose(stop: () => void): void {
    this.#closers.push(stop)
  }

  /** Stops recording. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (let at = this.#closers.length - 1; at >= 0; at -= 1) this.#closers[at]?.()
  }

  /** Copies the set on write: most runs read nothing significant, so the shared empty set suffices. */
  #add(kind: Kind, name: string): void {
    const names = this[kind]
    if (names.has(name)) return
    if (names.size >= MAX_NAMES) {
      this.#all(kind)
      return
    }
    this[kind] = new Set(names).add(name)
    this.version += 1
  }

  #all(kind: Kind): void {
    if (kind === 'cookies') this.allCookies()
    else if (kind === 'parameters') this.allParameters()
    else this.allFields()
  }
}

type Kind = 'fields' | 'cookies' | 'parameters' | 'filledValues' | 'filledObjects'

const NONE: ReadonlySet<string> = new Set()
const NO_TEXTS: InputsRead['objectTexts'] = new Map()
const NO_IDENTIFIERS: InputsRead['identifiers'] = new Map()
const NO_FIELDS: InputsRead['fieldsBefore'] = Object.freeze({})

/** Hidden from handlers, and read for every response by Express; a body may contain its own entity tag. */
const UNREFLECTED: ReadonlySet<string> = new Set(['if-none-match', 'if-modified-since'])

const NO_NAMES: readonly string[] = Object.freeze([])
