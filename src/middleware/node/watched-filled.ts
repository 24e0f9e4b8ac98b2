import { IncomingMessage, ServerResponse } from 'node:http'
import type { InputsRead } from '../../http/port/index.js'
import { isPlainValue, isPrivate, isTelling } from '../../http/port/index.js'
import { ABSENT_NAMES, addedNames, type Place } from './added-names.js'
import { FilledBefore, type FilledHolders, ownValue } from './filled-values.js'
import type { NodeRequest } from './node-response.js'
import { watchAbsent } from './watched-absent.js'
import { type InputRecord, NO_VALUES } from './watched-fields.js'
import { watchHolder } from './watched-holder.js'
import { noteRead, watchGetter, watchProperty } from './watched-property.js'
import { watchStream } from './watched-stream.js'

/**
 * Records reads of the values that middleware in front of the cache stored on an Express or Node.js request and in
 * `res.locals`.
 */
export function watchFilled(request: IncomingMessage, response: ServerResponse, inputs: InputsRead): void {
  const { locals } = response as ServerResponse & { readonly locals?: object }
  // Read before the request has a Proxy.
  tellSession(request, inputs)
  const req = watchProperties('req', request, inputs)
  const res = watchAddedNames('res', response, inputs)
  const live = { req: request, res: response, locals, response }
  tell(inputs, live, { req, res, locals: watchHolder('locals', response, inputs) })
  watchStreams(request, response, inputs)
}

function watchStreams(request: IncomingMessage, response: ServerResponse, inputs: InputsRead): void {
  if (request.httpVersionMajor > 1) watchStream([request, response], inputs)
}

/** A session that is not used yet has an identifier, which is that of one visitor. */
function tellSession({ session }: NodeRequest, inputs: InputsRead): void {
  const { id, sessionId = id } = (session ?? NO_VALUES) as { readonly id?: unknown; readonly sessionId?: unknown }
  if (typeof sessionId === 'string') inputs.identifier('req:session.id', sessionId)
}

/** Like {@link watchFilled}, for a Koa context, its state, and its Node.js request. */
export function watchFilledContext(
  ctx: {
    readonly req: IncomingMessage
    readonly res: ServerResponse
    readonly request: object
    readonly response: object
    readonly state: object
  },
  inputs: InputsRead,
): void {
  const { request, response: reply } = ctx
  const live = { req: ctx.req, res: ctx.res, ctx, request, reply, state: ctx.state, response: ctx.res }
  tell(inputs, live, {
    req: watchProperties('req', ctx.req, inputs, 'req of Koa'),
    res: watchAddedNames('res', ctx.res, inputs, 'res of Koa'),
    ctx: watchProperties('ctx', ctx, inputs),
    request: watchAddedNames('request', request, inputs),
    reply: watchAddedNames('reply', reply, inputs),
    state: watchHolder('state', ctx, inputs),
  })
  watchStreams(ctx.req, ctx.res, inputs)
}

/**
 * Makes the values available as they were when the run began. Values named in `vary` are converted now, because a
 * handler may modify objects.
 */
function tell(inputs: InputsRead, live: FilledHolders, before: FilledHolders): void {
  inputs.filledBy = new FilledBefore(inputs, live, before)
}

/** Like {@link watchAddedNames}; reads of properties that are absent count too. */
function watchProperties(
  prefix: 'req' | 'ctx',
  holder: object,
  inputs: InputsRead,
  place: Place = prefix,
): InputRecord {
  const before = watchAddedNames(prefix, holder, inputs, place)
  const { rawTrailers } = holder as { readonly rawTrailers?: readonly string[] }
  if (prefix === 'req' && rawTrailers !== undefined && rawTrailers.length > 0) inputs.filled('req:rawTrailers', false)
  watchAbsent(prefix, holder, ABSENT_NAMES[prefix], inputs)
  return before
}

/**
 * Records reads of properties that middleware added to a request, response or context, and calls of functions. A property
 * overwritten behind the cache is no longer an input.
 *
 * @returns the current values; those of getters once they are read
 */
function watchAddedNames(prefix: Prefix, holder: object, inputs: InputsRead, place: Place = prefix): InputRecord {
  const names = addedNames(place, Object.getOwnPropertyNames(holder))
  const before: InputRecord = names.length === 0 ? NO_VALUES : {}
  for (const name of names) watchAdded(prefix, holder, name, { inputs, before })
  return before
}

function watchAdded(prefix: Prefix, holder: object, name: string, run: WatchedRun): void {
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
  if (KEPT_ELSEWHERE.has(name)) inputs.filled(input, isPlainValue(value))
  if (isPrivate(name, value) || (prefix === 'ctx' && isOfRouter(name, value))) return
  const isTold = isTelling(name) || inputs.counted.has(input)
  const isFunction = typeof value === 'function'
  // `user` and `auth` have a separate rule, except for functions, which identify the user when they are called.
  if (input === 'req:auth' && !isFunction) return
  // Tracers override methods of Node.js, which adds no value.
  if (isFunction && !isTold && isOfNode(prefix, name)) return
  watchProperty({ input, holder, name, value, enumerable, isRead: isTold || !isFunction }, inputs)
}

/**
 * What counts as read because a package also keeps it in an AsyncLocalStorage, where reads are not seen: the language that
 * nestjs-i18n has found.
 */
const KEPT_ELSEWHERE: ReadonlySet<string> = new Set(['i18nLang'])

function isOfNode(prefix: Prefix, name: string): boolean {
  return (
    (prefix === 'req' && name in IncomingMessage.prototype) || (prefix === 'res' && name in ServerResponse.prototype)
  )
}

/** The prefixes of the names of inputs. */
type Prefix = Exclude<Place, 'req of Koa' | 'res of Koa'>

/** Whether a router of Koa in front has set a value: itself, or the routes that the URL matches. */
function isOfRouter(name: string, value: unknown): boolean {
  if (name === 'matched') return Array.isArray(value) && value.every((one) => Array.isArray(one?.methods))
  return name === 'router' && Array.isArray((value as { readonly stack?: unknown } | null)?.stack)
}

interface WatchedRun {
  readonly inputs: InputsRead
  /** The values when the run began. */
  readonly before: InputRecord
}

/** Counts a property as read that cannot be replaced, and therefore cannot be watched. */
function countFixed(input: string, holder: object, name: string, { inputs, before }: WatchedRun): void {
  const value = ownValue(holder, name)
  before[name] = value
  noteRead(input, name, value, inputs)
}
