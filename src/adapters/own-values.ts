import type { ServerResponse } from 'node:http'
import type { Context } from 'hono'
import { readThroughCache, reportAbsent, shownValue } from './shown-values.js'

/** A context, and its request. */
type OwnContext = Pick<Context, 'req'>

type Variables = Record<string, unknown>

/** What the names of own properties begin with among the values that the cache observes, by the object that has them. */
const [OF_CONTEXT, OF_REQUEST, OF_RAW] = ['c.', 'req.', 'raw.'] as const

/** The properties that middleware in front of the cache has set on `c`, `c.req` and `c.req.raw`. */
export function ownValues(c: OwnContext): Variables {
  const values: Variables = {}
  for (const [prefix, holder] of holdersOf(c)) {
    for (const name of addedTo(holder, prefix)) values[prefix + name] = Reflect.get(holder, name)
  }
  return values
}

/** Lets reads of these properties, and of absent ones, go through what the cache observes: see `observeVariables`. */
export function observeOwn(c: OwnContext, outgoing: ServerResponse): void {
  for (const [prefix, holder] of holdersOf(c)) {
    const read = (name: string) => shownValue(outgoing, prefix + name)
    readThroughCache(holder, addedTo(holder, prefix), read)
    // A request of the runtime may rely on its prototype.
    if (prefix !== OF_RAW) reportAbsent(holder, read)
  }
}

function holdersOf(c: OwnContext): readonly (readonly [prefix: string, holder: object])[] {
  return [
    [OF_CONTEXT, c],
    [OF_REQUEST, c.req],
    [OF_RAW, c.req.raw],
  ]
}

function addedTo(holder: object, prefix: string): readonly string[] {
  const names = Object.keys(holder)
  if (names.length === 0) return names
  const known = knownOf(holder, prefix)
  return names.filter((name) => !known.has(name))
}

/** The names that an object of Hono has from the beginning, by its class. */
const KNOWN = new WeakMap<object, ReadonlySet<string>>()

function knownOf(holder: object, prefix: string): ReadonlySet<string> {
  if (prefix === OF_RAW) return NONE
  const make = holder.constructor as new (request: Request) => object
  let known = KNOWN.get(make)
  if (known === undefined) {
    known = new Set(Object.keys(new make(new Request('http://localhost/'))))
    KNOWN.set(make, known)
  }
  return known
}

const NONE: ReadonlySet<string> = new Set()
