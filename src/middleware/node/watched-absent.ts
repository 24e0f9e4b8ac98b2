import type { IncomingMessage } from 'node:http'
import { type InputsRead, isNeutralName } from '../../http/port/index.js'
import { scopeOf } from '../../http/protocol/index.js'
import { isLaid, layAccessor, type OwnAccessor } from './own-accessors.js'
import { isAskedOfAll } from './watched-fields.js'

/** A request or a context on which middleware may have set values. */
type Holder = object & { readonly app?: unknown }

/**
 * Records reads of properties that a Node.js request or a Koa context does not have, because middleware in front of the
 * cache may set them for other visitors. `'name' in request` and `Object.hasOwn` are not recorded.
 *
 * The prototype is replaced by a Proxy of it, which only sees names that the object itself does not have. Objects with
 * the same prototype share one Proxy.
 *
 * @param known - properties that are not inputs
 */
export function watchAbsent(prefix: 'req' | 'ctx', holder: Holder, known: ReadonlySet<string>, inputs: InputsRead) {
  arm(prefix, holder, known)
  inputs.onClose(() => {
    const original = ORIGINALS.get(Object.getPrototypeOf(holder))
    if (original !== undefined) Object.setPrototypeOf(holder, original)
  })
  if (prefix === 'req' && typeof holder.app === 'function') keepArmed(holder, known, inputs)
}

const PROXIES = { req: new WeakMap<object, object>(), ctx: new WeakMap<object, object>() }

/** The prototypes behind the Proxies. */
const ORIGINALS = new WeakMap<object, object>()

function arm(prefix: 'req' | 'ctx', holder: object, known: ReadonlySet<string>): void {
  const prototype: object = Object.getPrototypeOf(holder)
  if (ORIGINALS.has(prototype)) return
  let proxy = PROXIES[prefix].get(prototype)
  if (proxy === undefined) {
    proxy = new Proxy(prototype, new AbsentReads(prefix, known))
    PROXIES[prefix].set(prototype, proxy)
    ORIGINALS.set(proxy, prototype)
  }
  Object.setPrototypeOf(holder, proxy)
}

/**
 * Express replaces the prototype when a request enters a sub-application and when it leaves it, and its router reads
 * the parsed URL before each handler that follows.
 */
function keepArmed(request: object, known: ReadonlySet<string>, inputs: InputsRead): void {
  const kept = new KeptUrl(request, known)
  layAccessor(request, PARSED_URL, kept, true)
  inputs.onClose(() => {
    if (!isLaid(request, PARSED_URL, kept)) return
    Object.defineProperty(request, PARSED_URL, {
      value: kept.parsed,
      writable: true,
      enumerable: true,
      configurable: true,
    })
  })
}

class KeptUrl implements OwnAccessor {
  parsed: unknown
  readonly #request: object
  readonly #known: ReadonlySet<string>

  constructor(request: object, known: ReadonlySet<string>) {
    this.parsed = Reflect.get(request, PARSED_URL)
    this.#request = request
    this.#known = known
  }

  get(): unknown {
    arm('req', this.#request, this.#known)
    return this.parsed
  }

  set(value: unknown): void {
    this.parsed = value
  }
}

/** Where the package parseurl, which Express and connect use, keeps a parsed URL. */
const PARSED_URL = '_parsedUrl'

class AbsentReads implements ProxyHandler<object> {
  readonly #prefix: 'req' | 'ctx'
  readonly #known: ReadonlySet<string>

  constructor(prefix: 'req' | 'ctx', known: ReadonlySet<string>) {
    this.#prefix = prefix
    this.#known = known
  }

  get(target: object, name: string | symbol, receiver: object): unknown {
    const value: unknown = Reflect.get(target, name, receiver)
    if (value === undefined && typeof name === 'string' && !(name in target)) this.#note(name, receiver)
    return value
  }

  /** Lets `instanceof` and `isPrototypeOf` find the prototype itself. */
  getPrototypeOf(target: object): object {
    return target
  }

  #note(name: string, receiver: object): void {
    if (this.#known.has(name) || isNeutralName(name) || OF_STREAMS.has(name) || isAskedOfAll(name)) return
    const request = this.#prefix === 'req' ? receiver : (receiver as { readonly req: IncomingMessage }).req
    const scope = scopeOf(request)
    // A refresh has a scope before it passes the middleware in front of the cache, whose reads do not count.
    if (scope?.isAwaited === false) scope.recording.inputs?.filled(`${this.#prefix}:${name}`, true)
  }
}

/** Properties by which Node.js and packages, this one too, recognize kinds of streams, messages and their wrappers. */
const OF_STREAMS: ReadonlySet<string> = new Set([
  'abort',
  'aborted',
  'closed',
  'finished',
  'getReader',
  'getWriter',
  'href',
  'incoming',
  'raw',
  'readable',
  'readableErrored',
  'req',
  'setHeader',
  'writable',
  'writableEnded',
  'writableErrored',
  'writableFinished',
  'write',
])
