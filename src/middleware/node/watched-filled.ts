import { IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { InputsRead } from '../../http/port/index.js'
import {
  filledText,
  isNeutralName,
  isOfOneRun,
  isPlainValue,
  isTelling,
  RESPONSE_FIELD,
  tokenOf,
} from '../../http/port/index.js'
import { watchAbsent } from './watched-absent.js'
import { type InputRecord, type RecordReader, watchedRecord } from './watched-fields.js'
import { isAbsent, noteRead, watchedFunction, watchGetter, watchProperty } from './watched-property.js'

/** The objects on which middleware stores values, by the prefix of the input's name: `req` for `req:tenant`. */
export type FilledHolders = Readonly<
  Partial<Record<'req' | 'res' | 'ctx' | 'request' | 'locals' | 'state', object | undefined>>
> & {
  readonly response?: Pick<ServerResponse, 'getHeader' | 'getHeaders'> | undefined
}

/**
 * The value of an input that middleware has stored on a request or context, as text.
 *
 * @param ignored - inputs that `locals:*` and `state:*` omit
 * @returns `null` if there is none; `undefined` if it cannot be represented as text
 */
export function filledIn(
  holders: FilledHolders,
  input: string,
  ignored: ReadonlySet<string> = NONE_IGNORED,
): string | null | undefined {
  const colon = input.indexOf(':')
  const prefix = input.slice(0, colon) as keyof FilledHolders
  const name = input.slice(colon + 1)
  if (prefix === 'response') {
    const { response } = holders
    return response === undefined
      ? null
      : responseFieldText(name, response.getHeader(name), () => response.getHeaders())
  }
  const holder = holders[prefix]
  if (holder === undefined) return null
  if (name === '*') return plainValues(prefix, holder, ignored)
  const value = ownValue(holder, name)
  return filledText(value) ?? (isAbsent(value) ? null : tokenOf(value))
}

/** The text of a response field, or of all that may differ between visitors (`*`). */
function responseFieldText(
  name: string,
  value: OutgoingHttpHeaders[string],
  all: () => Readonly<OutgoingHttpHeaders>,
): string | null | undefined {
  if (name !== '*') return filledText(typeof value === 'number' ? String(value) : value)
  const fields = Object.entries(all()).filter(([field]) => !isOfOneRun(field))
  return filledText(Object.fromEntries(fields.map(([field, one]) => [field, String(one)])))
}

/**
 * Records reads of the values that middleware in front of the cache stored on an Express or Node.js request and in
 * `res.locals`.
 */
export function watchFilled(request: IncomingMessage, response: ServerResponse, inputs: InputsRead): void {
  const { locals } = response as ServerResponse & { readonly locals?: object }
  const req = watchProperties('req', request, inputs)
  const res = watchAddedNames('res', response, inputs)
  const live = { req: request, res: response, locals, response }
  tell(inputs, live, { req, res, locals: watchHolder('locals', response, inputs) })
}

/** Like {@link watchFilled}, for a Koa context, its state, and its Node.js request. */
export function watchFilledContext(
  ctx: {
    readonly req: IncomingMessage
    readonly res: ServerResponse
    readonly request: object
    readonly state: object
  },
  inputs: InputsRead,
): void {
  const { request } = ctx
  const live = { req: ctx.req, ctx, request, state: ctx.state, response: ctx.res }
  tell(inputs, live, {
    req: watchProperties('req', ctx.req, inputs),
    ctx: watchProperties('ctx', ctx, inputs),
    request: watchAddedNames('request', request, inputs),
    state: watchHolder('state', ctx, inputs),
  })
}

/**
 * Makes the values available as they were when the run began. Values named in `vary` are converted now, because a
 * handler may modify objects.
 */
function tell(inputs: InputsRead, live: FilledHolders, before: FilledHolders): void {
  inputs.filledBy = new FilledBefore(inputs, live, before)
}

class FilledBefore {
  readonly #before: FilledHolders
  readonly #inputs: InputsRead
  readonly #ignored: ReadonlySet<string>
  readonly #named: ReadonlyMap<string, string | null | undefined> | undefined

  constructor(inputs: InputsRead, live: FilledHolders, before: FilledHolders) {
    const { ignored, filledNames } = inputs
    this.#inputs = inputs
    this.#before = before
    this.#ignored = ignored
    this.#named =
      filledNames.length === 0 ? undefined : new Map(filledNames.map((name) => [name, filledIn(live, name, ignored)]))
  }

  filled(input: string): string | null | undefined {
    if (this.#named?.has(input)) return this.#named.get(input)
    if (this.#inputs.objectTexts.has(input)) return this.#inputs.objectTexts.get(input)
    if (!input.startsWith(RESPONSE_FIELD)) return filledIn(this.#before, input, this.#ignored)
    const name = input.slice(RESPONSE_FIELD.length)
    const { fieldsBefore } = this.#inputs
    return responseFieldText(
      name,
      fieldsBefore[name] as OutgoingHttpHeaders[string],
      () => fieldsBefore as OutgoingHttpHeaders,
    )
  }
}

/** Like {@link watchAddedNames}; reads of properties that are absent count too. */
function watchProperties(prefix: 'req' | 'ctx', holder: object, inputs: InputsRead): InputRecord {
  const before = watchAddedNames(prefix, holder, inputs)
  watchAbsent(prefix, holder, KNOWN[prefix], inputs)
  return before
}

/** An object on which middleware sets properties. */
type Place = 'req' | 'res' | 'ctx' | 'request'

/**
 * Records reads of properties that middleware added to a request, response or context, and calls of functions. A property
 * overwritten behind the cache is no longer an input.
 *
 * @returns the current values; those of getters once they are read
 */
function watchAddedNames(prefix: Place, holder: object, inputs: InputsRead): InputRecord {
  const names = addedNames(prefix, Object.getOwnPropertyNames(holder))
  const before: InputRecord = names.length === 0 ? NOTHING : {}
  for (const name of names) watchAdded(prefix, holder, name, { inputs, before })
  return before
}

function watchAdded(prefix: Place, holder: object, name: string, run: WatchedRun): void {
  const { inputs, before } = run
  const descriptor = Object.getOwnPropertyDescriptor(holder, name)
  if (descriptor === undefined) return
  const input = `${prefix}:${name}`
  if (descriptor.configurable !== true) {
    countFixed(input, holder, name, run)
    return
  }
  if (descriptor.get !== undefined || descriptor.set !== undefined) {
    watchGetter({ input, holder, name, descriptor, before }, inputs)
    return
  }
  const { value, enumerable = false } = descriptor
  before[name] = value
  const isTold = isTelling(name) || inputs.counted.has(input)
  const isFunction = typeof value === 'function'
  // An own property that overrides a method, as tracers define, adds nothing; responses have many functions that answer.
  const isAdded = isFunction && prefix !== 'res' && !(name in Object.getPrototypeOf(holder))
  if (!isFunction || isAdded || isTold) {
    watchProperty({ input, holder, name, value, enumerable, isRead: isTold || !isFunction }, inputs)
  }
}

interface WatchedRun {
  readonly inputs: InputsRead
  /** The values when the run began. */
  readonly before: InputRecord
}

/** Counts a property that cannot be replaced, and so not watched, as read. */
function countFixed(input: string, holder: object, name: string, { inputs, before }: WatchedRun): void {
  const value = ownValue(holder, name)
  before[name] = value
  noteRead(input, name, value, inputs)
}

/** The names that frameworks do not add themselves, and that are not neutral. */
function addedNames(prefix: Place, names: readonly string[]): readonly string[] {
  const last = LAST[prefix]
  // Most objects have the same properties in the same order.
  if (last !== undefined && isSame(names, last.names)) return last.added
  const added = names.filter((name) => !KNOWN[prefix].has(name) && !isNeutralName(name))
  LAST[prefix] = { names, added }
  return added
}

const LAST: Partial<Record<Place, { readonly names: readonly string[]; readonly added: readonly string[] }>> = {}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  if (names.length !== others.length) return false
  for (let at = 0; at < names.length; at += 1) if (names[at] !== others[at]) return false
  return true
}

/**
 * Like {@link watchProperties}, for all reads of `res.locals` or `ctx.state`; reads of absent properties count too.
 *
 * @param parent - the response or the context
 */
function watchHolder(prefix: 'locals' | 'state', parent: object, inputs: InputsRead): InputRecord {
  const own = heldBy(parent, prefix)
  if (typeof own !== 'object' || own === null) return NOTHING
  // What is inherited is added when it is read.
  const before = inherits(own) ? { ...valuesOf(own) } : valuesOf(own)
  const watched = watchedRecord(own, new HolderWatch(prefix, own, before, inputs))
  // The property may be fixed.
  Reflect.set(parent, prefix, watched)
  inputs.onClose(() => {
    if (heldBy(parent, prefix) === watched) Reflect.set(parent, prefix, own)
  })
  return before
}

/** What a response has as its locals, or a context as its state. */
interface Holding {
  readonly locals?: unknown
  readonly state?: unknown
}

function heldBy(parent: Holding, prefix: 'locals' | 'state'): unknown {
  // A separate expression for each name, because V8 does not optimize accesses with a varying name.
  return prefix === 'locals' ? parent.locals : parent.state
}

/** All own values, those of hidden properties and of getters too. */
function valuesOf(own: object): InputRecord {
  const names = Object.getOwnPropertyNames(own)
  return names.length === 0 ? NOTHING : Object.fromEntries(names.map((name) => [name, ownValue(own, name)]))
}

/** Whether an object has properties of a class or of defaults. */
function inherits(own: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(own)
  return prototype !== null && prototype !== Object.prototype
}

/** The value of a property; nothing if its getter throws, which only the handler is to see. */
function ownValue(holder: object, name: string): unknown {
  try {
    return Reflect.get(holder, name)
  } catch {
    return undefined
  }
}

const NONE_IGNORED: ReadonlySet<string> = new Set()
const NOTHING: InputRecord = Object.freeze({})

/**
 * Properties that Node.js and Express add to each request, and those of parsers and authentication, which have separate
 * rules.
 */
const KNOWN_OF_REQUEST: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(new IncomingMessage(new Socket())),
  'app',
  'auth',
  'baseUrl',
  'body',
  'connection',
  'cookies',
  'file',
  'files',
  'headers',
  'headersDistinct',
  'next',
  'originalUrl',
  'params',
  'path',
  'query',
  'rawBody',
  'rawHeaders',
  'res',
  'route',
  'secret',
  'session',
  'signedCookies',
  'url',
])

/** Properties that Koa and its routers add to each context. */
const KNOWN_OF_CONTEXT: ReadonlySet<string> = new Set([
  'app',
  'body',
  'captures',
  'cookies',
  'disableBodyParser',
  'fallbackCache',
  'matched',
  'mountPath',
  'newRouterPath',
  'originalUrl',
  'params',
  'req',
  'request',
  'res',
  'respond',
  'response',
  'router',
  'routerName',
  'routerPath',
  'session',
  'state',
])

/** Properties that Node.js, frameworks and parsers add to each response, or to each request of Koa. */
const KNOWN_OF_RESPONSE: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(new ServerResponse(new IncomingMessage(new Socket()))),
  ...['app', 'fallbackCache', 'locals', 'req', 'statusCode', 'statusMessage', 'writable'],
])
const KNOWN_OF_KOA_REQUEST: ReadonlySet<string> = new Set([
  ...[
    'accept',
    'app',
    'body',
    'ctx',
    'files',
    'ip',
    'ips',
    'memoizedURL',
    'originalUrl',
    'rawBody',
    'req',
    'res',
    'response',
  ],
  // Observed by rules of their own.
  ...['host', 'hostname', 'href', 'protocol', 'query', 'querystring', 'search', 'URL', 'url'],
])

const KNOWN: Readonly<Record<Place, ReadonlySet<string>>> = {
  req: KNOWN_OF_REQUEST,
  res: KNOWN_OF_RESPONSE,
  ctx: KNOWN_OF_CONTEXT,
  request: KNOWN_OF_KOA_REQUEST,
}

/** Records reads of values that existed when the run began. */
class HolderWatch implements RecordReader {
  readonly #prefix: string
  readonly #own: object
  readonly #before: Record<string, unknown>
  readonly #inputs: InputsRead
  #written: Set<string> | undefined
  #functions: Map<() => unknown, unknown> | undefined
  #isAll = false

  constructor(prefix: string, own: object, before: Record<string, unknown>, inputs: InputsRead) {
    this.#prefix = prefix
    this.#own = own
    this.#before = before
    this.#inputs = inputs
  }

  one(name: string): void {
    if (!this.#inputs.isCounting || isNeutralName(name) || this.#written?.has(name) === true) return
    if (!Object.hasOwn(this.#before, name) && inherits(this.#own) && name in this.#own) {
      this.#before[name] = ownValue(this.#own, name)
    }
    const value = this.#before[name]
    const input = `${this.#prefix}:${name}`
    const isPlain = isAbsent(value) || (isPlainValue(value) && !this.#inputs.counted.has(input))
    if (!isPlain || !this.#isAll) noteRead(input, name, value, this.#inputs)
  }

  all(): void {
    if (!this.#inputs.isCounting || this.#isAll) return
    this.#isAll = true
    this.#inputs.filled(`${this.#prefix}:*`, true)
  }

  handOut(name: string, value: () => unknown): unknown {
    const isOfFront = Object.hasOwn(this.#before, name) && this.#before[name] === value
    if (!this.#inputs.isCounting || !isOfFront || isNeutralName(name)) return value
    this.#functions ??= new Map()
    const known = this.#functions.get(value)
    if (known !== undefined) return known
    const watched = watchedFunction(value, () => this.#inputs.filled(`${this.#prefix}:${name}`, false))
    this.#functions.set(value, watched)
    return watched
  }

  written(name: string): void {
    this.#written ??= new Set()
    this.#written.add(name)
  }
}

/** All plain values of an object as one text, with the names of the others, which count when they are read. */
function plainValues(prefix: string, holder: object, ignored: ReadonlySet<string>): string | null | undefined {
  const counted = Object.entries(holder).filter(
    ([name, value]) => !isAbsent(value) && !isNeutralName(name) && !ignored.has(`${prefix}:${name}`),
  )
  return filledText(Object.fromEntries(counted.map(([name, value]) => [name, isPlainValue(value) ? value : null])))
}
