import type { Socket } from 'node:net'
import type { InputsRead } from '../../http/port/index.js'
import { isNameOfObjects } from '../../http/port/index.js'
import { watchedConnection } from './watched-connection.js'

/** A request or a response; over HTTP/2 with its stream. */
interface Message {
  readonly stream?: object | undefined
  readonly socket: Socket | null | undefined
}

/**
 * Records reads of the stream and the connection of an HTTP/2 request and its response: of the session and the connection,
 * which have the address of the client, and of what middleware in front may have set there.
 */
export function watchStream(messages: readonly Message[], inputs: InputsRead): void {
  const [{ stream, socket } = {}] = messages
  if (stream === undefined) return
  const watched = new Proxy(stream, {
    get(target, name) {
      note(target, name, inputs)
      return Reflect.get(target, name)
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  })
  const connection = socket && watchedConnection(socket, inputs)
  for (const message of messages) {
    // A response has neither once it has ended.
    if (message.stream === stream) place(message, 'stream', watched, inputs)
    if (!socket || message.socket !== socket) continue
    for (const name of ['socket', 'connection']) place(message, name, connection, inputs)
  }
}

function place(message: Message, name: string, value: unknown, inputs: InputsRead): void {
  Object.defineProperty(message, name, { get: () => value, enumerable: false, configurable: true })
  inputs.onClose(() => Reflect.deleteProperty(message, name))
}

function note(stream: object, name: string | symbol, inputs: InputsRead): void {
  if (name === 'session') inputs.address()
  if (typeof name !== 'string' || name.startsWith('_') || OF_NODE.has(name) || isNameOfObjects(name)) return
  if (!(name in Object.getPrototypeOf(stream))) inputs.filled('req:stream', false)
}

/** Own properties of a stream of Node.js. */
const OF_NODE: ReadonlySet<string> = new Set(['allowHalfOpen', 'domain'])
