import type { EventEmitter } from 'node:events'
import { OUT_OF_STEP } from './ioredis-port.js'

/** The private parts of an ioredis client by which it finds the command of a reply. */
interface Matching extends EventEmitter {
  resetCommandQueue?: () => void
  flushQueue?: (...args: unknown[]) => unknown
  readonly commandQueue?: { shift: () => unknown }
  readonly stream?: { prependListener: (event: string, listener: (data: Uint8Array) => void) => unknown }
}

/**
 * Lets an ioredis client report each reply that no command waits for, as an `error` event. ioredis does so itself, except
 * for a null reply: there it throws outside of any handler, and the process ends.
 *
 * A client without these private parts is left as it is.
 */
export function reportSurplusReplies(client: EventEmitter): void {
  const matching: Matching = client
  const { resetCommandQueue, flushQueue } = matching
  if (typeof resetCommandQueue !== 'function' || typeof flushQueue !== 'function') return
  const bytes: Bytes = { left: 0 }
  // Called for each connection, before the client listens to it.
  matching.resetCommandQueue = () => {
    resetCommandQueue.call(client)
    watchConnection(matching, bytes)
  }
  // Takes commands until there is none.
  matching.flushQueue = (...args) => {
    const { left } = bytes
    bytes.left = 0
    try {
      return flushQueue.apply(client, args)
    } finally {
      bytes.left = left
    }
  }
}

/** Does the same for the clients by which an ioredis client asks Sentinels. */
export function reportSurplusOfSentinels(client: EventEmitter): void {
  const { connector }: Asking = client
  const connectToSentinel = connector?.connectToSentinel
  if (connector === undefined || typeof connectToSentinel !== 'function') return
  connector.connectToSentinel = (...args) => {
    const asked = connectToSentinel.apply(connector, args)
    reportSurplusReplies(asked)
    return asked
  }
}

/** The private parts of an ioredis client by which it asks Sentinels. */
interface Asking extends EventEmitter {
  readonly connector?: { connectToSentinel?: (...args: unknown[]) => EventEmitter }
}

/** The bytes that a client reads at the moment. */
interface Bytes {
  /** How many replies they can still contain. */
  left: number
}

function watchConnection(client: Matching, bytes: Bytes): void {
  const { commandQueue, stream } = client
  if (commandQueue === undefined || stream === undefined) return
  const { shift } = commandQueue
  commandQueue.shift = () => {
    const item = shift.call(commandQueue)
    if (item !== undefined || bytes.left === 0) return item
    bytes.left -= 1
    return surplusOf(client)
  }
  const { prependListener } = stream
  stream.prependListener = (event, listener) => {
    if (event !== 'data') return prependListener.call(stream, event, listener)
    stream.prependListener = prependListener
    return prependListener.call(stream, event, (data) => {
      bytes.left = data.length
      try {
        listener(data)
      } finally {
        bytes.left = 0
      }
    })
  }
}

/** What takes a reply in place of a command. */
function surplusOf(client: EventEmitter): object {
  const tell = (): void => {
    // An error event without a listener would end the process.
    if (client.listenerCount('error') > 0) client.emit('error', new Error(`${OUT_OF_STEP}: a reply without a command`))
  }
  return { command: { name: 'surplus', args: [], resolve: tell, reject: tell } }
}
