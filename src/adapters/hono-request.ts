import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { getPath } from 'hono/utils/url'
import { CHOSEN_HANDLER } from './chosen-handler.js'
import { readShownValues, shownValue } from './shown-values.js'

/** A context on `@hono/node-server`. */
type NodeContext = Pick<Context<{ Bindings: HttpBindings }>, 'env' | 'req'>

type Variables = Readonly<Record<string, unknown>>

/** What the names of bindings begin with among the values that the cache observes. */
const OF_BINDINGS = 'env.'

/**
 * The values that middleware in front of the cache may have added to `c.env`. Instances of classes are services of the
 * application, which other processes have, too.
 */
export function bindingsOf({ env }: NodeContext): Variables {
  const bindings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(env)) {
    if (!OF_NODE.has(name) && !isService(value)) bindings[OF_BINDINGS + name] = value
  }
  return bindings
}

/** The bindings of node-server. */
const OF_NODE = new Set(['incoming', 'outgoing', 'server'])

function isService(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype !== Object.prototype && prototype !== null && !Array.isArray(value)
}

/** Lets reads of `c.env` go through what the cache observes: see `observeVariables`. */
export function observeBindings(c: NodeContext, before: Variables): void {
  const { env } = c
  const outgoing = env.outgoing as ServerResponse
  const observed = (name: string) => {
    const value: unknown = Reflect.get(env, name)
    const shown = OF_BINDINGS + name
    const isOfFront = value === undefined || (Object.hasOwn(before, shown) && Object.is(before[shown], value))
    return isOfFront && !OF_NODE.has(name) ? shownValue(outgoing, shown) : value
  }
  c.env = observedRecord(env, observed, () => readShownValues(outgoing)) as typeof env
}

/** A record whose entries are read by a function, and which calls another one when it is listed. */
export function observedRecord(record: object, read: (name: string) => unknown, listed: () => void): object {
  return new Proxy(record, {
    get: (target, name) => (typeof name === 'string' ? read(name) : Reflect.get(target, name)),
    has(target, name) {
      if (typeof name === 'string') read(name)
      return name in target
    },
    ownKeys(target) {
      listed()
      return Reflect.ownKeys(target)
    },
  })
}

/**
 * Shows the cache a request that was routed by something else than its URL (the option `getPath` of Hono), or that
 * middleware has passed on with another URL (`app.fetch`).
 */
export function showRewritten(c: NodeContext): void {
  const incoming = c.env.incoming as IncomingMessage
  const { headers, url: sent = '' } = incoming
  const { path, url, raw } = c.req
  const isSent = url.endsWith(`//${headers.host ?? String(headers[':authority'])}${sent}`)
  if (isSent && (sent.split('?', 1)[0] === path || getPath(raw) === path)) return
  Reflect.set(incoming, CHOSEN_HANDLER, `${path} ${url}`)
}

/**
 * Shows the cache, and the handlers behind it, the fields that middleware in front has set or deleted on `c.req.raw`, or on
 * a request that it has put in its place.
 */
export function showChangedFields({ env, req }: NodeContext): void {
  const { headers } = env.incoming as IncomingMessage
  if (!isTouched(req.raw)) return
  const names = new Set<string>()
  for (const [name, value] of req.raw.headers) {
    names.add(name)
    const sent = headers[name]
    if (!OF_CONNECTION.has(name) && (typeof sent === 'object' ? sent.join(', ') : sent) !== value) headers[name] = value
  }
  for (const name of Object.keys(headers)) {
    if (!names.has(name) && !name.startsWith(':') && !OF_CONNECTION.has(name)) Reflect.deleteProperty(headers, name)
  }
}

/** Fields that the cache itself reads from the request of Node.js. */
const OF_CONNECTION: ReadonlySet<string> = new Set(['host', 'connection', 'content-length', 'transfer-encoding'])

/** Whether something has read the fields of a request: node-server makes them then. Other requests are not of node-server. */
function isTouched(raw: Request): boolean {
  const names = Object.getOwnPropertySymbols(raw).map(({ description }) => description)
  return !names.includes('incomingKey') || names.includes('headersKey')
}
