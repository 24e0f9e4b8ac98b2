import { isDeepStrictEqual } from 'node:util'
import { countedQuery, type InputsRead, pathOf } from '../../http/port/index.js'
import { isLaid, layAccessor, type OwnAccessor } from './own-accessors.js'
import { type RecordReader, watchedRecord } from './watched-fields.js'

/**
 * Records which parameters of the parsed query are read, if the key contains only some of them; for an Express or Koa
 * request. The query as a text, which Koa has as `querystring`, counts as all parameters.
 */
export function watchQuery(request: object, inputs: InputsRead): void {
  if (inputs.keyedParameters === undefined) return
  if ('query' in request) watchParsed(request, inputs)
  if ('querystring' in request) watchText(request, 'querystring', inputs)
}

function watchParsed(request: object, inputs: InputsRead): void {
  const watched = new WatchedQuery(request, inputs)
  layAccessor(request, 'query', watched, watched.isEnumerable)
  inputs.onClose(() => watched.restore())
}

/** A request with a parsed query. In Express the parser is a setting of the application. */
type ParsedRequest = object & {
  readonly url?: string
  readonly app?: { get?(setting: 'query parser fn'): unknown }
}

type Parameters = Readonly<Record<string, unknown>>

class WatchedQuery implements OwnAccessor, RecordReader {
  readonly #request: ParsedRequest
  readonly #inputs: InputsRead
  readonly #own: PropertyDescriptor | undefined
  readonly #prototype: object
  /** What the parser makes of the parameters that the key contains. */
  #keyed: Parameters | undefined

  constructor(request: object, inputs: InputsRead) {
    this.#request = request
    this.#inputs = inputs
    // Express 4 parses the query once, before everything else; Express 5 and Koa use a getter.
    this.#own = Object.getOwnPropertyDescriptor(request, 'query')
    this.#prototype = Object.getPrototypeOf(request)
  }

  get isEnumerable(): boolean {
    return this.#own?.enumerable ?? false
  }

  one(name: string): void {
    this.#inputs.parameter(name)
    if (this.#inputs.keyedParameters?.includes(name) && this.#isMadeOfOthers(name)) this.all()
  }

  all(): void {
    this.#inputs.allParameters()
  }

  get(): unknown {
    const query = this.#parsed()
    if (typeof query === 'object' && query !== null && !Array.isArray(query)) return watchedRecord(query, this)
    // A parser of the application makes something else of all parameters.
    this.all()
    return query
  }

  #parsed(): unknown {
    return this.#own === undefined ? this.#inherited(this.#request) : this.#own.value
  }

  #inherited(request: object): unknown {
    return unrecorded(this.#inputs, this.#prototype, 'query', request)
  }

  /** Whether the value of a parameter is not made of those alone that the key contains, as by a parser that ignores letter case. */
  #isMadeOfOthers(name: string): boolean {
    try {
      const parsed = this.#parsed() as Parameters
      this.#keyed ??= (this.#parseKeyed() ?? parsed) as Parameters
      return !isDeepStrictEqual(parsed[name], this.#keyed[name])
    } catch {
      return true
    }
  }

  #parseKeyed(): unknown {
    const { url = '', app } = this.#request
    const query = countedQuery(url.slice(pathOf(url).length), this.#inputs.keyedParameters ?? 'all').slice(1)
    const parse = app?.get?.('query parser fn')
    if (typeof parse === 'function') return parse(query)
    // The getter of Koa parses what another one returns, and keeps the result.
    const request = { querystring: { value: query }, _querycache: { value: {}, writable: true } }
    return this.#inherited(Object.create(this.#request, request))
  }

  set(value: unknown): void {
    this.restore()
    Reflect.set(this.#request, 'query', value, this.#request)
  }

  restore(): void {
    if (!isLaid(this.#request, 'query', this)) return
    if (this.#own === undefined) Reflect.deleteProperty(this.#request, 'query')
    else Object.defineProperty(this.#request, 'query', this.#own)
  }
}

/** What a getter of a prototype answers, without recording what it reads itself. */
function unrecorded(inputs: InputsRead, prototype: object, name: string, receiver: object): unknown {
  inputs.pause()
  try {
    return Reflect.get(prototype, name, receiver)
  } finally {
    inputs.resume()
  }
}

/** A getter of Koa's requests that other getters use as well. */
function watchText(request: object, name: string, inputs: InputsRead): void {
  layAccessor(request, name, new WatchedText(request, name, inputs), false)
  inputs.onClose(() => Reflect.deleteProperty(request, name))
}

class WatchedText implements OwnAccessor {
  readonly #request: object
  readonly #name: string
  readonly #inputs: InputsRead
  readonly #prototype: object

  constructor(request: object, name: string, inputs: InputsRead) {
    this.#request = request
    this.#name = name
    this.#inputs = inputs
    this.#prototype = Object.getPrototypeOf(request)
  }

  get(): unknown {
    this.#inputs.allParameters()
    return Reflect.get(this.#prototype, this.#name, this.#request)
  }

  set(value: unknown): void {
    Reflect.set(this.#prototype, this.#name, value, this.#request)
  }
}

/** Koa's `originalUrl`. That of Express is not watched: routers read it for each layer. */
export function watchOriginalUrl(holder: object, inputs: InputsRead): void {
  if (inputs.keyedParameters === undefined) return
  const own = Object.getOwnPropertyDescriptor(holder, 'originalUrl')
  if (own === undefined || own.get !== undefined) return
  const watched = new WatchedUrl(holder, own, inputs)
  layAccessor(holder, 'originalUrl', watched, true)
  inputs.onClose(() => watched.restore(own))
}

class WatchedUrl implements OwnAccessor {
  readonly #holder: object
  readonly #own: PropertyDescriptor
  readonly #inputs: InputsRead

  constructor(holder: object, own: PropertyDescriptor, inputs: InputsRead) {
    this.#holder = holder
    this.#own = own
    this.#inputs = inputs
  }

  get(): unknown {
    this.#inputs.allParameters()
    return this.#own.value
  }

  set(value: unknown): void {
    this.restore({ ...this.#own, value })
  }

  restore(descriptor: PropertyDescriptor): void {
    if (isLaid(this.#holder, 'originalUrl', this)) Object.defineProperty(this.#holder, 'originalUrl', descriptor)
  }
}
