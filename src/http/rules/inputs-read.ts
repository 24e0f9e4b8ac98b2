import { rootParameter } from '../syntax/parameters.js'
import { NEUTRAL_FIELDS } from './neutral-fields.js'

/** A run that reads more names than this is taken for one that reads all of them: handlers may let clients choose names. */
const MAX_NAMES = 32

/**
 * The inputs that one run of a handler has read from its request, noted by the host while the run may be stored. A read of an
 * absent input counts: the response was made from its absence.
 */
export class InputsRead {
  /** Fields that are not neutral, in lower case; `cookie` is never among them. */
  fields: ReadonlySet<string> = NONE
  cookies: ReadonlySet<string> = NONE
  /** Whether the fields were read as a whole: copied, listed or serialized. */
  everyField = false
  /** Whether the Cookie field was read as a whole. */
  everyCookie = false
  /** Parameters of the query that the key does not hold. */
  parameters: ReadonlySet<string> = NONE
  /** Values that middleware in front of the cache has filled in, as the option `vary` names them (`req:tenant`, `locals:*`). */
  filledValues: ReadonlySet<string> = NONE
  /** Those of them that are objects and functions, whose names say who is asking. */
  filledObjects: ReadonlySet<string> = NONE
  /** The text of a filled value as it was when the run began; `null`: absent, `undefined`: it cannot be told. Set by hosts that see them. */
  filledBy: ((input: string) => string | null | undefined) | undefined
  /** How often the address of the client was read. */
  addressReads = 0
  /** Whether one read of the address was a logger's. */
  excusesAddress: (() => boolean) | undefined
  /** The parameters that the key holds; `undefined`: all of them. */
  readonly keyedParameters: readonly string[] | undefined
  /** Whether Range was read: the response to a request that has it may be made for its part. */
  range = false
  readonly ignored: ReadonlySet<string>
  readonly filledNames: readonly string[]
  /** Values that say who is asking, whatever their names. */
  readonly counted: ReadonlySet<string>
  /** Where the fields were read as a whole, for a warning; `undefined`: not known. */
  place: string | undefined
  /** Grows with each new read. */
  version = 0
  readonly #closers: (() => void)[] = []
  #pauses = 0
  #isOpen = true

  /**
   * @param keyedParameters - the parameters of the query that the key holds; `undefined`: all of them
   * @param ignored - inputs that never count
   * @param filledNames - the filled values that `vary` names
   * @param counted - the inputs that say who is asking, as the route names them
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

  /** Whether a read counts at present. */
  get isCounting(): boolean {
    return this.#isOpen && this.#pauses === 0
  }

  /** @param name - as node spells the names of its records: in lower case */
  field(name: string): void {
    if (!this.isCounting) return
    if (name === 'range') this.range = true
    if (NEUTRAL_FIELDS.has(name)) return
    if (name === 'cookie') this.allCookies()
    else this.#add('fields', name)
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

  /** A parameter counts unless the key holds it, or the one that a parser may make of its name. */
  parameter(name: string): void {
    const { keyedParameters: keyed } = this
    if (!this.isCounting || keyed === undefined || keyed.includes(name) || keyed.includes(rootParameter(name))) return
    this.#add('parameters', name)
  }

  /** The query was copied, listed or serialized. */
  allParameters(): void {
    if (!this.isCounting || this.parameters.has('*')) return
    this.parameters = new Set(['*'])
    this.version += 1
  }

  /** The address or the certificate of the client was read. */
  address(): void {
    if (!this.isCounting) return
    this.addressReads += 1
    this.version += 1
  }

  /** @param isPlain - whether its value can be compared by itself: a text, a number, a boolean, or nothing */
  filled(input: string, isPlain: boolean): void {
    if (!this.isCounting) return
    this.#add(isPlain ? 'filledValues' : 'filledObjects', input)
  }

  /** Takes back what was noted of cookies since there were so many names: a parser has read them, and what it made is watched. */
  forgetCookies(every: boolean, names: number): void {
    this.everyCookie = every
    this.cookies = new Set([...this.cookies].slice(0, names))
  }

  /** Reads until {@link resume} do not count: the cache reads for itself, or middleware in front of it does. */
  pause(): void {
    this.#pauses += 1
  }

  resume(): void {
    this.#pauses -= 1
  }

  /** Has a host stop watching when nothing needs noting any more. */
  onClose(stop: () => void): void {
    this.#closers.push(stop)
  }

  /** Ends the noting. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const stop of this.#closers) stop()
  }

  /** Most runs read nothing that counts: a set is made for the first name. */
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
const NO_NAMES: readonly string[] = Object.freeze([])

let placesLeft = 8

/** The line of the application that reads all fields. A stack costs microseconds, so only the first few are taken. */
function placeInCode(): string | undefined {
  if (placesLeft === 0) return undefined
  placesLeft -= 1
  const lines = (new Error().stack ?? '').split('\n').slice(1)
  const line = lines.find(
    (one) => !OWN_CODE.test(one) && !one.includes('node:internal') && !one.includes('<anonymous>'),
  )
  return line?.trim().replace(/^at /, '')
}

const OWN_CODE = /[\\/]fallback-cache[\\/]dist[\\/]|inputs-read\.|watched-fields\.|watched-request\./
