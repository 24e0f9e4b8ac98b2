import type { IncomingMessage } from 'node:http'
import { sharedSymbol } from '../../core/brand.js'
import type { InputsRead } from '../../http/port/index.js'
import { scopeOf } from '../../http/protocol/index.js'

/** Notes whether the address or the certificate of the client is read, on the connection and by the getters of the framework. */
export function watchAddress(request: IncomingMessage, prototype: object | undefined, inputs: InputsRead): void {
  if (prototype !== undefined) defineGetters(prototype)
  // morgan keeps the address for its log line; the property is private to it.
  const before = Object.hasOwn(request, '_remoteAddress')
  inputs.excusesAddress = () => !before && Object.hasOwn(request, '_remoteAddress')
  if (request.httpVersionMajor > 1) {
    watchStream(request, inputs)
    return
  }
  const socket = request.socket as unknown as WatchedSocket
  const watching = socket[WATCHING] ?? watchSocket(socket)
  watching.add(inputs)
  inputs.onClose(() => watching.delete(inputs))
}

/** Over HTTP/2 many requests share a connection, and each sees it through a Proxy of node's own: another one is laid over that. */
function watchStream(request: IncomingMessage, inputs: InputsRead): void {
  const { socket } = request
  const watched = new Proxy(socket, {
    get(target, name) {
      if (ADDRESS.has(name)) inputs.address()
      return Reflect.get(target, name)
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  })
  for (const name of ['socket', 'connection']) {
    Object.defineProperty(request, name, { get: () => watched, enumerable: false, configurable: true })
    inputs.onClose(() => Reflect.deleteProperty(request, name))
  }
}

/** What a connection tells of the client: its address, its certificate and whether that was accepted, the name that TLS was asked for. */
const ADDRESS: ReadonlySet<string | symbol> = new Set([
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'getPeerCertificate',
  'getPeerX509Certificate',
  'authorized',
  'authorizationError',
  'getSession',
  'servername',
])

/** The inputs of the runs whose requests came over a connection and are not answered yet: with pipelining there may be several. */
const WATCHING: unique symbol = sharedSymbol('watching') as never

type WatchedSocket = object & { [WATCHING]?: Set<InputsRead> }

/** Once a connection: its properties become accessors. */
function watchSocket(socket: WatchedSocket): Set<InputsRead> {
  const watching = new Set<InputsRead>()
  socket[WATCHING] = watching
  const note = () => {
    for (const inputs of watching) inputs.address()
  }
  for (const name of ADDRESS) {
    const known = descriptorOf(socket, name)
    if (known === undefined) continue
    Object.defineProperty(socket, name, {
      get() {
        note()
        return known.get === undefined ? known.value : known.get.call(socket)
      },
      // A new handshake has node assign some of them.
      set(value: unknown) {
        Object.defineProperty(socket, name, { value, writable: true, enumerable: true, configurable: true })
      },
      configurable: true,
    })
  }
  return watching
}

/** Getters of Express and Koa that read the address for their own result. */
const NOTED = ['ip', 'ips'] as const

/** Getters of Express that ask the address whether a proxy is trusted; their result is part of the key. */
const UNNOTED = ['protocol', 'host', 'hostname'] as const

/** On prototypes that have the getters already, by this copy of the package or another one. */
const DEFINED = sharedSymbol('getters')

/** Lays getters over those of the framework, once an application: the prototype of its requests is the application's own. */
function defineGetters(prototype: object): void {
  if (Object.hasOwn(prototype, DEFINED)) return
  Object.defineProperty(prototype, DEFINED, { value: true })
  for (const name of NOTED) layOver(prototype, name, (inputs) => inputs.address())
  // In Koa they ask nobody, and an application's own are looked for there.
  const isExpress = descriptorOf(prototype, 'xhr') !== undefined
  if (isExpress) for (const name of UNNOTED) layOver(prototype, name, () => undefined)
}

function layOver(prototype: object, name: string, note: (inputs: InputsRead) => void): void {
  const known = descriptorOf(prototype, name)
  const get = known?.get
  if (known === undefined || get === undefined) return
  Object.defineProperty(prototype, name, {
    ...known,
    configurable: true,
    get(this: { readonly req?: object }) {
      const scope = scopeOf(this) ?? (this.req && scopeOf(this.req))
      // A refresh has a scope from its start, and comes through middleware in front of the cache first.
      const inputs = scope === undefined || scope.isAwaited ? undefined : scope.recording.inputs
      if (inputs === undefined) return get.call(this)
      note(inputs)
      inputs.pause()
      try {
        return get.call(this)
      } finally {
        inputs.resume()
      }
    },
  })
}

function descriptorOf(object: object, name: string | symbol): PropertyDescriptor | undefined {
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at)) {
    const own = Object.getOwnPropertyDescriptor(at, name)
    if (own !== undefined) return own
  }
  return undefined
}
