import { IncomingMessage } from 'node:http'
import { type InputsRead, isIdentifierName, isNameOfObjects } from '../../http/port/index.js'
import { scopeOf } from '../../http/protocol/index.js'
import { isNeutralIn } from './added-names.js'
import { isChangedUrl, LiveUrl, PARSED_URL, type ParsedRequestUrl, type UrlUser } from './live-url.js'
import { isLaid, layAccessor, type OwnAccessor } from './own-accessors.js'
import { chainOf, ownerOf } from './prototype-chain.js'

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
  const isOfExpress = prefix === 'req' && typeof holder.app === 'function'
  const parsed = isOfExpress ? LiveUrl.of(holder) : undefined
  if (isOfExpress && parsed === undefined && isChangedUrl((holder as ParsedRequestUrl)[PARSED_URL])) {
    inputs.filled(`req:${PARSED_URL}`, false)
  }
  arm(prefix, holder, known)
  inputs.onClose(() => {
    const original = ORIGINALS.get(Object.getPrototypeOf(holder))
    if (original !== undefined) Object.setPrototypeOf(holder, original)
  })
  if (isOfExpress) keepArmed(holder, parsed, known, inputs)
}

const PROXIES = { req: new WeakMap<object, object>(), ctx: new WeakMap<object, object>() }

/** The prototypes behind the Proxies. */
const ORIGINALS = new WeakMap<object, object>()

/** Where a watched object inherits from; found without calling the Proxy. */
function inheritedBy(holder: object): object {
  const prototype: object = Object.getPrototypeOf(holder)
  return ORIGINALS.get(prototype) ?? prototype
}

/**
 * A property of an object that may be watched, read without calling the Proxy. For reads of this package, which are no
 * inputs.
 */
export function unwatchedValue(holder: object, name: string): unknown {
  return Reflect.get(Object.hasOwn(holder, name) ? holder : inheritedBy(holder), name, holder)
}

function arm(prefix: 'req' | 'ctx', holder: object, known: ReadonlySet<string>): void {
  const prototype: object = Object.getPrototypeOf(holder)
  if (ORIGINALS.has(prototype)) return
  let proxy = PROXIES[prefix].get(prototype)
  if (proxy === undefined) {
    proxy = new Proxy(prototype, new AbsentReads(prefix, known, prototype))
    PROXIES[prefix].set(prototype, proxy)
    ORIGINALS.set(proxy, prototype)
  }
  Object.setPrototypeOf(holder, proxy)
}

/**
 * Express replaces the prototype when a request enters a sub-application and when it leaves it, and its router reads
 * the parsed URL before each handler that follows.
 */
function keepArmed(request: object, live: LiveUrl | undefined, known: ReadonlySet<string>, inputs: InputsRead): void {
  const arming = new Arming(known, inputs)
  if (live === undefined) {
    arming.replaced(request)
    return
  }
  live.begin(arming)
  inputs.onClose(() => live.end(arming))
}

/** Replaces the prototype again for one run. */
class Arming implements UrlUser {
  readonly #known: ReadonlySet<string>
  readonly #inputs: InputsRead

  constructor(known: ReadonlySet<string>, inputs: InputsRead) {
    this.#known = known
    this.#inputs = inputs
  }

  used(request: object): void {
    arm('req', request, this.#known)
  }

  /** Lays an accessor over the parsed URL, for URLs whose parsed form cannot be replaced by a live one. */
  replaced(request: object): void {
    const inputs = this.#inputs
    const kept = new KeptUrl(request, this)
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
}

class KeptUrl implements OwnAccessor {
  parsed: unknown
  readonly #request: object
  readonly #user: UrlUser

  constructor(request: ParsedRequestUrl, user: UrlUser) {
    this.parsed = request[PARSED_URL]
    this.#request = request
    this.#user = user
  }

  get(): unknown {
    this.#user.used(this.#request)
    return this.parsed
  }

  set(value: unknown): void {
    this.parsed = value
  }
}

class AbsentReads implements ProxyHandler<object> {
  readonly #prefix: 'req' | 'ctx'
  readonly #known: ReadonlySet<string>
  readonly #isOfExpress: boolean
  /** Whether a name that all objects of the prototype have is that of a getter of the application. */
  readonly #getters = new Map<string, boolean>()

  constructor(prefix: 'req' | 'ctx', known: ReadonlySet<string>, prototype: object) {
    this.#prefix = prefix
    this.#known = known
    this.#isOfExpress = prefix === 'req' && typeof Reflect.get(prototype, 'app') === 'function'
  }

  get(target: object, name: string | symbol, receiver: object): unknown {
    // Express reads `app` before it lets a sub-application replace the prototype.
    if (this.#isOfExpress && typeof name === 'string' && name !== PARSED_URL) this.#keepArmed(receiver)
    const value: unknown = Reflect.get(target, name, receiver)
    if (typeof name !== 'string' || this.#known.has(name)) return value
    if (this.#isGetter(target, name)) this.#inputsOf(receiver)?.made(`${this.#prefix}:${name}`, value)
    else if (value === undefined) this.#note(target, name, receiver)
    return value
  }

  /** Whether the application has defined a getter of this name for all its requests or contexts. */
  #isGetter(target: object, name: string): boolean {
    const known = this.#getters.get(name)
    if (known !== undefined || this.#getters.size >= MOST_GETTERS) return known === true
    const owner = ownerOf(target, name)
    // A property that is absent now may be defined later.
    if (owner === undefined) return false
    // Koa itself has getters on the object with this method.
    const isOfFramework = GETTERS_OF_FRAMEWORKS.has(name) || Object.hasOwn(owner, 'onerror')
    const { get } = Object.getOwnPropertyDescriptor(owner, name) ?? {}
    const isGetter = get !== undefined && !isOfFramework && !isNeutralIn(this.#prefix, name)
    this.#getters.set(name, isGetter)
    return isGetter
  }

  /** Lets `instanceof` and `isPrototypeOf` find the prototype itself. */
  getPrototypeOf(target: object): object {
    return target
  }

  /** Another package may have put a parsed URL of its own in place of the live one. */
  #keepArmed(request: ParsedRequestUrl): void {
    if (request[PARSED_URL] instanceof LiveUrl) return
    if (Object.getOwnPropertyDescriptor(request, PARSED_URL)?.writable !== true) return
    const { inputs } = scopeOf(request)?.recording ?? {}
    if (inputs?.isOpen === true) new Arming(this.#known, inputs).replaced(request)
  }

  #note(target: object, name: string, receiver: object): void {
    if (
      isNeutralIn(this.#prefix, name) ||
      // That there is no user has a rule of its own.
      name === 'auth' ||
      isIdentifierName(name) ||
      OF_STREAMS.has(name) ||
      isNameOfObjects(name) ||
      name in target
    )
      return
    this.#inputsOf(receiver)?.filled(`${this.#prefix}:${name}`, true)
  }

  #inputsOf(receiver: object): InputsRead | undefined {
    const request = this.#prefix === 'req' ? receiver : (receiver as { readonly req: IncomingMessage }).req
    const scope = scopeOf(request)
    // A refresh has a scope before it passes the middleware in front of the cache, whose reads do not count.
    return scope?.isAwaited === false ? scope.recording.inputs : undefined
  }
}

/** Applications choose the names. */
const MOST_GETTERS = 500

/** The getters of Express and of Node.js. */
const GETTERS_OF_FRAMEWORKS: ReadonlySet<string> = new Set([
  ...['fresh', 'host', 'hostname', 'ip', 'ips', 'protocol', 'secure', 'stale', 'subdomains', 'xhr'],
  // A request that may be stored has no trailers of its own: middleware in front has set them.
  ...chainOf(IncomingMessage.prototype)
    .flatMap(Object.getOwnPropertyNames)
    .filter((name) => !name.startsWith('trailers')),
  ...['authority', 'scheme', 'stream'],
])

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
