import type { InputsRead } from '../../http/port/index.js'
import { isNameOfObjects } from '../../http/port/index.js'

/** A request or a response; over HTTP/2 with its stream. */
type Message = object & { readonly stream?: object | undefined }

/**
 * Records reads of the stream of an HTTP/2 request and its response: of the session, which has the address of the client,
 * and of what middleware in front may have set there.
 */
export function watchStream(messages: readonly Message[], inputs: InputsRead): void {
  const stream = messages[0]?.stream
  if (stream === undefined) return
  const watched = new Proxy(stream, {
    get(target, name) {
      note(target, name, inputs)
      return Reflect.get(target, name)
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  })
  for (const message of messages) {
    // A response has none once it has ended.
    if (message.stream !== stream) continue
    Object.defineProperty(message, 'stream', { get: () => watched, enumerable: false, configurable: true })
    inputs.onClose(() => Reflect.deleteProperty(message, 'stream'))
  }
}

function note(stream: object, name: string | symbol, inputs: InputsRead): void {
  if (name === 'session') inputs.address()
  if (typeof name !== 'string' || name.startsWith('_') || OF_NODE.has(name) || isNameOfObjects(name)) return
  if (!(name in Object.getPrototypeOf(stream))) inputs.filled('req:stream', false)
}

/** Own properties of a stream of Node.js. */
const OF_NODE: ReadonlySet<string> = new Set(['allowHalfOpen', 'domain'])
