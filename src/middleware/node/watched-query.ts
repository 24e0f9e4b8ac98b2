import type { InputsRead } from '../../http/port/index.js'
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
  const reader: RecordReader = { one: (name) => inputs.parameter(name), all: () => inputs.allParameters() }
  // Express 4 parses the query once, before everything else; Express 5 and Koa use a getter.
  const own = Object.getOwnPropertyDescriptor(request, 'query')
  const prototype: object = Object.getPrototypeOf(request)
  const parsed = (): unknown => (own === undefined ? unrecorded(inputs, prototype, 'query', request) : own.value)
  const get = () => {
    const query = parsed()
    return typeof query === 'object' && query !== null ? watchedRecord(query, reader) : query
  }
  const set = (value: unknown) => {
    restore()
    Reflect.set(request, 'query', value, request)
  }
  const restore = () => {
    if (Object.getOwnPropertyDescriptor(request, 'query')?.get !== get) return
    if (own === undefined) Reflect.deleteProperty(request, 'query')
    else Object.defineProperty(request, 'query', own)
  }
  Object.defineProperty(request, 'query', { get, set, enumerable: own?.enumerable ?? false, configurable: true })
  inputs.onClose(restore)
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
  const prototype: object = Object.getPrototypeOf(request)
  const get = () => {
    inputs.allParameters()
    return Reflect.get(prototype, name, request)
  }
  const set = (value: unknown) => void Reflect.set(prototype, name, value, request)
  Object.defineProperty(request, name, { get, set, enumerable: false, configurable: true })
  inputs.onClose(() => Reflect.deleteProperty(request, name))
}

/** Koa's `originalUrl`. That of Express is not watched: routers read it for each layer. */
export function watchOriginalUrl(holder: object, inputs: InputsRead): void {
  const own = Object.getOwnPropertyDescriptor(holder, 'originalUrl')
  if (inputs.keyedParameters === undefined || own === undefined || own.get !== undefined) return
  const get = () => {
    inputs.allParameters()
    return own.value
  }
  const restore = (descriptor: PropertyDescriptor) => {
    if (Object.getOwnPropertyDescriptor(holder, 'originalUrl')?.get !== get) return
    Object.defineProperty(holder, 'originalUrl', descriptor)
  }
  const set = (value: unknown) => restore({ ...own, value })
  Object.defineProperty(holder, 'originalUrl', { get, set, enumerable: true, configurable: true })
  inputs.onClose(() => restore(own))
}
