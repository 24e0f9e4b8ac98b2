import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { sharedSymbol } from '../../core/brand.js'
import type { AddressExcuse, InputsRead } from '../../http/port/index.js'
import { scopeOf } from '../../http/protocol/index.js'
import { layAccessor, type OwnAccessor } from './own-accessors.js'
import { descriptorOf, ownerOf } from './prototype-chain.js'
import { ADDRESS, WatchingInputs, watchConnection } from './watched-connection.js'

/**
 * Records reads of the client's address or certificate, on the connection and through the framework's getters, and of what
 * other code has set on the connection: authentication by NTLM keeps the user there.
 */
export function watchAddress(request: IncomingMessage, prototype: object | undefined, inputs: InputsRead): void {
  if (prototype !== undefined) defineGetters(prototype)
  inputs.addressExcuse = new LoggerExcuse(request)
  // Requests over HTTP/2 share a connection: see `watchStream`.
  if (request.httpVersionMajor > 1) return
  const socket: WatchedSocket = request.socket
  const watching = socket[WATCHING] ?? watchSocket(socket)
  watching.add(inputs)
  watchConnection(socket, inputs)
}

/** morgan stores the address in a private property for its log line; that read does not affect the response. */
class LoggerExcuse implements AddressExcuse {
  readonly #request: object
  readonly #wasLogged: boolean

  constructor(request: object) {
    this.#request = request
    this.#wasLogged = Object.hasOwn(request, LOGGED)
  }

  excusesOne(): boolean {
    return !this.#wasLogged && Object.hasOwn(this.#request, LOGGED)
  }
}

const LOGGED = '_remoteAddress'

const WATCHING: unique symbol = sharedSymbol('watching') as never

interface Watched {
  [WATCHING]?: Pick<WatchingInputs, 'add'>
}

type WatchedSocket = Socket & Watched

/**
 * Replaces properties of a connection by accessors, once per connection. All connections share the functions: with their
 * own, each would have a shape of its own, which no inline cache of Node.js knows.
 */
function watchSocket(socket: WatchedSocket): WatchingInputs {
  const watching = new WatchingInputs((inputs) => inputs.address())
  socket[WATCHING] = watching
  for (const name of ADDRESS) {
    const known = descriptorOf(socket, name)
    if (known === undefined) continue
    const accessor: OwnAccessor = {
      get() {
        watching.note()
        return known.get === undefined ? known.value : known.get.call(socket)
      },
      // Node.js assigns some of them during a renegotiation.
      set(value) {
        Object.defineProperty(socket, name, { value, writable: true, enumerable: true, configurable: true })
      },
    }
    layAccessor(socket, name, accessor, Object.prototype.propertyIsEnumerable.call(socket, name))
  }
  return watching
}

/** Getters of Express and Koa whose result is the client's address. */
const NOTED = ['ip', 'ips'] as const

/**
 * Getters of Express that only read the address to decide whether a proxy is trusted; their result is part of the key.
 */
const UNNOTED = ['protocol', 'host', 'hostname'] as const

/** Marks prototypes whose getters were already replaced, possibly by another copy of the package. */
const DEFINED = sharedSymbol('getters')

/** Wraps the framework's getters, once per application: each application has its own request prototype. */
function defineGetters(prototype: object): void {
  if (Object.hasOwn(prototype, DEFINED)) return
  Object.defineProperty(prototype, DEFINED, { value: true })
  for (const name of NOTED) layOver(prototype, name, (inputs) => inputs.address())
  // In Koa these getters do not read the address.
  const express = ownerOf(prototype, 'xhr')
  if (express === undefined) return
  for (const name of UNNOTED) {
    if (ownerOf(prototype, name) === express || isLaidOver(prototype, name)) layOver(prototype, name)
  }
}

/** The getters of {@link UNNOTED}, as far as the application has not overridden them. */
const LAID_OVER = new WeakSet<object>()

function isLaidOver(holder: object, name: string): boolean {
  return LAID_OVER.has(descriptorOf(holder, name)?.get ?? LAID_OVER)
}

/** Whether a getter reads a property that middleware or the application has put in the place of that of Express. */
function readsOther(request: object, name: string): boolean {
  if (name === 'hostname') return !isLaidOver(request, 'host')
  return name === 'host' && !isLaidOver(request, 'hostname')
}

/** @param note - records a read; `undefined` for a getter of {@link UNNOTED} */
function layOver(prototype: object, name: string, note?: (inputs: InputsRead) => void): void {
  const known = descriptorOf(prototype, name)
  const get = known?.get
  if (known === undefined || get === undefined) return
  const laid = {
    ...known,
    configurable: true,
    get(this: { readonly req?: object }) {
      const scope = scopeOf(this) ?? (this.req && scopeOf(this.req))
      // A revalidation has a scope before it passes the middleware in front of the cache, whose reads do not count.
      const inputs = scope === undefined || scope.isAwaited ? undefined : scope.recording.inputs
      if (inputs === undefined || (note === undefined && readsOther(this, name))) return get.call(this)
      note?.(inputs)
      inputs.pause()
      try {
        return get.call(this)
      } finally {
        inputs.resume()
      }
    },
  }
  if (note === undefined) LAID_OVER.add(laid.get)
  Object.defineProperty(prototype, name, laid)
}
