import type { IncomingMessage } from 'node:http'
import { isPlain } from '../../core/plain-object.js'
import type { InputsRead } from '../../http/port/index.js'
import { readDistinct } from '../node-internals/index.js'
import { watchAddress } from './watched-address.js'
import { CookieWatch } from './watched-cookies.js'
import { type RecordReader, watchedLater, watchedList, watchedRecord } from './watched-fields.js'
import { watchQuery } from './watched-query.js'

/**
 * Records reads of a request until the inputs are closed, then restores the request.
 *
 * @param prototype - the prototype from which requests inherit the framework's getters
 */
export function watchRequest(request: IncomingMessage, inputs: InputsRead, prototype?: object): void {
  new RequestWatch(request, inputs).install()
  const { app } = request as { readonly app?: { readonly request?: object } }
  watchAddress(request, prototype ?? app?.request, inputs)
  watchQuery(request, inputs)
}

class RequestWatch implements RecordReader {
  readonly #request: IncomingMessage
  readonly #inputs: InputsRead
  readonly #cookies: CookieWatch
  readonly #own: Pick<IncomingMessage, 'headers' | 'rawHeaders'>
  readonly #headers: object
  readonly #rawHeaders: object
  #headersDistinct: object | undefined
  /** False if middleware in front has put an object there that inherits fields, or has methods: they cannot be compared. */
  readonly #hasPlainFields: boolean
  /** What middleware in front has read, and may have changed. */
  readonly #distinctBefore: object | undefined
  /** While `rawHeaders` is set: Bun reads its length then. */
  #isPlacing = true

  constructor(request: IncomingMessage, inputs: InputsRead) {
    this.#request = request
    this.#inputs = inputs
    this.#cookies = new CookieWatch(request, inputs)
    const { headers, rawHeaders } = request
    this.#own = { headers, rawHeaders }
    this.#hasPlainFields = isPlain(headers)
    this.#distinctBefore = readDistinct(request)
    this.#headers = watchedRecord(headers, this)
    this.#rawHeaders = watchedList(rawHeaders, this)
  }

  install(): void {
    const request = this.#request
    put(request, 'headers', this.#headers)
    put(request, 'rawHeaders', this.#rawHeaders)
    this.#isPlacing = false
    if ('headersDistinct' in request) {
      const made = () => this.#distinctBefore ?? this.#distinctFields(this.#own.rawHeaders)
      this.#headersDistinct = watchedLater(made, new LinesReader(this, made, this.#inputs))
      put(request, 'headersDistinct', this.#headersDistinct)
    }
    this.#cookies.watchParsed()
    this.#inputs.onClose(() => this.#uninstall())
  }

  one(name: string): void {
    if (!this.#hasPlainFields) this.all()
    if (name === 'cookie') this.#cookies.onField()
    else this.#inputs.field(name)
  }

  all(): void {
    if (!this.#isPlacing) this.#inputs.allFields()
  }

  /** Restores each property, unless the application has replaced it since. */
  #uninstall(): void {
    const [request, own] = [this.#request, this.#own]
    if (request.headers === this.#headers) putBack(request, 'headers', own.headers)
    if (request.rawHeaders === this.#rawHeaders) putBack(request, 'rawHeaders', own.rawHeaders)
    const distinct = this.#headersDistinct
    if (distinct !== undefined && request.headersDistinct === distinct) {
      putBack(request, 'headersDistinct', this.#distinctBefore)
    }
    this.#cookies.uninstall()
  }

  /** Makes Node.js build `headersDistinct` from the original `rawHeaders`, and restores the watched properties. */
  #distinctFields(rawHeaders: string[]): object {
    const request = this.#request
    const { rawHeaders: watched } = request
    const distinct = Reflect.get(request, 'headersDistinct')
    put(request, 'rawHeaders', rawHeaders)
    put(request, 'headersDistinct', undefined)
    const made = request.headersDistinct
    put(request, 'headersDistinct', distinct)
    this.#isPlacing = true
    put(request, 'rawHeaders', watched)
    this.#isPlacing = false
    return made
  }
}

/** Records which fields are read as separate lines. */
class LinesReader implements RecordReader {
  readonly #fields: RecordReader
  readonly #made: () => object
  readonly #inputs: InputsRead

  constructor(fields: RecordReader, made: () => object, inputs: InputsRead) {
    this.#fields = fields
    this.#made = made
    this.#inputs = inputs
  }

  one(name: string): void {
    if (name === 'cookie') this.#fields.one(name)
    else this.#inputs.lines(name, (this.#made() as NodeJS.Dict<string[]>)[name])
  }

  all(): void {
    this.#fields.all()
  }
}

type WatchedName = 'headers' | 'rawHeaders' | 'headersDistinct'

/** Sets a property. HTTP/2 requests only have getters, which an own property overrides. */
function put(request: IncomingMessage, name: WatchedName, value: unknown): void {
  if (request.httpVersionMajor > 1) {
    Object.defineProperty(request, name, { value, writable: true, enumerable: false, configurable: true })
    return
  }
  // A separate statement per name, because V8 does not optimize accesses with a varying name.
  const fields = request as { -readonly [Name in WatchedName]: unknown }
  if (name === 'headers') fields.headers = value
  else if (name === 'rawHeaders') fields.rawHeaders = value
  else fields.headersDistinct = value
}

function putBack(request: IncomingMessage, name: WatchedName, own: unknown): void {
  if (request.httpVersionMajor > 1) Reflect.deleteProperty(request, name)
  else put(request, name, own)
}
