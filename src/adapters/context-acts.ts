import type { ServerResponse } from 'node:http'
import type { Context } from 'hono'
import type { LateFields } from './late-fields.js'
import { appendLate, fieldValueOf } from './late-head.js'

/** Acts on the fields of a response, by name. */
interface Acts {
  set(name: string): void
  append(name: string): void
  remove(name: string): void
  read(name: string): void
}

/**
 * Repeats on the response of Node.js, which the cache observes, what a route does to the fields of its response in Hono:
 * Hono itself copies them only at the end. The fields of a `new Response` that the route returns are not repeated, nor
 * is the reading of a list of all fields.
 *
 * @param lateFields - is told of what middleware in front does afterwards
 * @returns a function to be called when the route has ended
 */
export function tellContextActs(c: Context, outgoing: ServerResponse, lateFields: LateFields): () => void {
  const acts = actsOn(outgoing)
  let isOver = false
  const { header } = c
  const note = (name: string) => lateFields.note(outgoing, name)
  const lateActs: Acts = { set: note, append: note, remove: note, read: () => {} }
  c.header = (name: string, value?: string, options?: { readonly append?: boolean }) => {
    if (isOver) note(name)
    if (value === undefined) acts.remove(name)
    else if (options?.append === true) acts.append(name)
    else acts.set(name)
    header.call(c, name, value, options)
  }
  for (const name of ['body', 'text', 'json', 'html', 'newResponse'] as const) {
    const method = c[name] as (...args: unknown[]) => unknown
    const noting = (...args: unknown[]) => {
      for (const one of namesGiven(args)) acts.set(one)
      return method.apply(c, args)
    }
    Object.assign(c, { [name]: noting })
  }
  const { res } = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(c)) as { readonly res: PropertyDescriptor }
  const told = new WeakSet<object>()
  Object.defineProperty(c, 'res', {
    get() {
      const response = res.get?.call(c) as Response
      if (told.has(response)) return response
      told.add(response)
      // Node-server sends a response whose fields were read in another way, with a Content-Type if it has none.
      if (isOver) onFieldsRead(response, (headers) => tellHeaders(headers, lateActs))
      else
        tellHeaders(
          response.headers,
          inTurn(acts, lateActs, () => isOver),
        )
      return response
    },
    set(response: unknown) {
      const before = isOver && response instanceof Response ? (res.get?.call(c) as Response) : undefined
      if (before !== undefined) lateFields.noteReplaced(outgoing, before, response as Response)
      res.set?.call(c, response)
    },
    configurable: true,
  })
  return () => {
    isOver = true
  }
}

function actsOn(outgoing: ServerResponse): Acts {
  /** Fields that the route has set or removed, so that no value of middleware in front is left. */
  const own = new Set<string>()
  const appended = new Set<string>()
  appendLate(outgoing, appended)
  const owned = (name: string): string => {
    const lower = String(name).toLowerCase()
    own.add(lower)
    appended.delete(lower)
    return lower
  }
  return {
    set(name) {
      const lower = owned(name)
      const known = fieldValueOf(outgoing, lower)
      // The call tells the cache that the route has set the field, so the known value is set again.
      if (known !== undefined && !outgoing.headersSent) outgoing.setHeader(lower, known)
    },
    append(name) {
      const lower = String(name).toLowerCase()
      if (!own.has(lower)) appended.add(lower)
    },
    remove(name) {
      const lower = owned(name)
      if (!outgoing.headersSent) outgoing.removeHeader(lower)
    },
    read(name) {
      const lower = String(name).toLowerCase()
      if (!own.has(lower)) outgoing.getHeader(lower)
    },
  }
}

/** The names of the fields in the arguments of `c.text`, `c.body` and the like: `(data, status, fields)` or `(data, init)`. */
function namesGiven([, init, fields]: readonly unknown[]): readonly string[] {
  const given = fields ?? (init as { readonly headers?: unknown } | null | undefined)?.headers
  if (typeof given !== 'object' || given === null) return []
  if (given instanceof Headers) return [...given.keys()]
  return Array.isArray(given) ? given.map(([name]) => String(name)) : Object.keys(given)
}

function tellHeaders(headers: Headers, acts: Acts): void {
  const telling = (method: keyof Headers, tell: (name: string) => void) => {
    const before = headers[method] as (...args: string[]) => unknown
    const value = (name: string, ...rest: string[]) => {
      tell(name)
      return before.call(headers, name, ...rest)
    }
    Object.defineProperty(headers, method, { value, writable: true, configurable: true })
  }
  telling('set', acts.set)
  telling('append', acts.append)
  telling('delete', acts.remove)
  telling('get', acts.read)
  telling('has', acts.read)
}

/** Passes acts to one receiver until `isOver` returns true, and to another one from then on. */
function inTurn(first: Acts, then: Acts, isOver: () => boolean): Acts {
  const now = () => (isOver() ? then : first)
  return {
    set: (name) => now().set(name),
    append: (name) => now().append(name),
    remove: (name) => now().remove(name),
    read: (name) => now().read(name),
  }
}

/** Calls a function with the fields of a response when they are read for the first time. */
function onFieldsRead(response: Response, read: (headers: Headers) => void): void {
  Object.defineProperty(response, 'headers', {
    get() {
      Reflect.deleteProperty(response, 'headers')
      const { headers } = response
      read(headers)
      return headers
    },
    configurable: true,
  })
}
