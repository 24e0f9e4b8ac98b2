import { Socket } from 'node:net'
import { sharedSymbol } from '../../core/brand.js'
import type { InputsRead } from '../../http/port/index.js'

/** The name, in `inputs.ignore` and in warnings, of all that code other than Node.js has set on a connection. */
const CONNECTION = 'req:socket'

/**
 * Properties of a connection that tell clients apart: addresses, the certificate and the verification result, what was
 * agreed on in the handshake, and how many bytes the client has sent and got.
 */
export const ADDRESS: ReadonlySet<string> = new Set([
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
  'getPeerCertificate',
  'getPeerX509Certificate',
  'getCertificate',
  'getX509Certificate',
  'authorized',
  'authorizationError',
  'getSession',
  'servername',
  'address',
  'bytesRead',
  'bytesWritten',
  'alpnProtocol',
  'exportKeyingMaterial',
  'getCipher',
  'getEphemeralKeyInfo',
  'getFinished',
  'getPeerFinished',
  'getProtocol',
  'getSharedSigalgs',
  'getTLSTicket',
  'isSessionReused',
])

/** The inputs of all unanswered requests of a connection; with pipelining there may be several. */
export class WatchingInputs {
  readonly #note: (inputs: InputsRead) => void
  readonly #all: InputsRead[] = []

  /** @param note - records a read for one request */
  constructor(note: (inputs: InputsRead) => void) {
    this.#note = note
  }

  add(inputs: InputsRead): void {
    this.#all.push(inputs)
    inputs.onClose(() => this.#all.splice(this.#all.indexOf(inputs), 1))
  }

  note(): void {
    for (const inputs of this.#all) this.#note(inputs)
  }
}

/**
 * Records reads of what other code has set on a connection: node-sspi and express-ntlm keep the user there, whom only the
 * first request of the connection names in its fields.
 */
export function watchConnection(socket: WatchedConnection, inputs: InputsRead): void {
  const added = Object.keys(socket).filter((name) => isAdded(socket, name))
  if (added.length === 0) return
  socket[WATCH] ??= new ConnectionWatch()
  socket[WATCH].watch(socket, added, inputs)
}

/**
 * The connection of an HTTP/2 request, which Node.js gives access to through a Proxy that all requests of the connection share:
 * another Proxy around that one records the reads of this request.
 */
export function watchedConnection(socket: Socket, inputs: InputsRead): Socket {
  return new Proxy(socket, {
    get(target, name) {
      if (ADDRESS.has(String(name))) inputs.address()
      else if (typeof name === 'string' && isAdded(target, name)) noteRead(inputs)
      return Reflect.get(target, name)
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  })
}

function noteRead(inputs: InputsRead): void {
  inputs.filled(CONNECTION, false)
}

/** Whether neither Node.js has a property of this name, nor is it private by its name. */
function isAdded(socket: Socket, name: string): boolean {
  return !name.startsWith('_') && !OF_NODE.has(name) && !(name in Object.getPrototypeOf(socket))
}

/** Own properties of connections that Node.js sets. */
const OF_NODE: ReadonlySet<string> = new Set([
  ...Object.keys(new Socket()),
  'alpnProtocol',
  'authorizationError',
  'authorized',
  'encrypted',
  'parser',
  'secureConnecting',
  'server',
  'servername',
  'ssl',
  'timeout',
])

const WATCH: unique symbol = sharedSymbol('connection-watch') as never

type WatchedConnection = Socket & { [WATCH]?: Pick<ConnectionWatch, 'watch'> }

/** Replaces what was set on a connection by accessors that stay, one for each property. */
class ConnectionWatch {
  readonly #watching = new WatchingInputs(noteRead)
  readonly #getters = new WeakSet<() => unknown>()

  watch(socket: Socket, names: readonly string[], inputs: InputsRead): void {
    this.#watching.add(inputs)
    for (const name of names) this.#lay(socket, name)
  }

  /** What cannot be replaced counts as read. */
  #lay(socket: Socket, name: string): void {
    const known = Object.getOwnPropertyDescriptor(socket, name)
    if (known?.get !== undefined && this.#getters.has(known.get)) return
    const get = (): unknown => {
      this.#watching.note()
      return known?.get === undefined ? known?.value : known.get.call(socket)
    }
    const set = (value: unknown): void => {
      if (known?.set === undefined) Object.defineProperty(socket, name, { ...PLAIN, value })
      else known.set.call(socket, value)
    }
    this.#getters.add(get)
    if (!Reflect.defineProperty(socket, name, { get, set, enumerable: true, configurable: true })) this.#watching.note()
  }
}

const PLAIN = { writable: true, enumerable: true, configurable: true }
