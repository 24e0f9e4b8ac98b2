import type { InputsRead } from '../../http/port/index.js'
import { type RecordReader, watchedRecord } from './watched-fields.js'

/**
 * Records which parameters of the parsed query are read, if the key contains only some of them; for an Express or Koa
 * request.
 */
export function watchQuery(request: object, inputs: InputsRead): void {
  if (inputs.keyedParameters === undefined || !('query' in request)) return
  const reader: RecordReader = { one: (name) => inputs.parameter(name), all: () => inputs.allParameters() }
  // Express 4 parses the query once, before everything else; Express 5 and Koa use a getter.
  const own = Object.getOwnPropertyDescriptor(request, 'query')
  const prototype: object = Object.getPrototypeOf(request)
  const parsed = (): unknown => (own === undefined ? Reflect.get(prototype, 'query', request) : own.value)
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
