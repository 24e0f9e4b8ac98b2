import type { IncomingMessage, ServerResponse } from 'node:http'

/** Values by name. */
type Values = Record<string, unknown>

/** A response of Node.js with the values that middleware has set, where the cache observes them: those of `res.locals`. */
type Showing = ServerResponse & { locals?: unknown }

/**
 * Shows the cache what middleware in front of it has set on an object of the framework, so that these values are
 * compared on a hit, and reads of them are observed: see {@link readThroughCache}.
 */
export function showValues(response: ServerResponse, values: Values): void {
  SHOWN.add(response)
  const showing: Showing = response
  // Middleware of Express, used through a plugin, may have set values of its own.
  showing.locals = typeof showing.locals === 'object' ? { ...showing.locals, ...values } : values
}

const SHOWN = new WeakSet<ServerResponse>()

/** Whether {@link showValues} was called, by another cache of the same request. */
export function areShown(response: ServerResponse): boolean {
  return SHOWN.has(response)
}

/** One of the values as the cache observes it, while it does. */
export function shownValue(response: ServerResponse, name: string): unknown {
  return ((response as Showing).locals as Values)[name]
}

/** Reads all of the values at once. */
export function readShownValues(response: ServerResponse): void {
  list((response as Showing).locals)
}

/** Lists an object, to have that observed. Called in a way that no bundler takes for one without effect. */
export function list(observed: unknown): void {
  Reflect.apply(Object.keys, Object, [observed])
}

/** Shows the cache what parsers of the framework have read of a request, in the properties that Express uses. */
export function showParsed(request: IncomingMessage, parsed: Values): void {
  for (const [name, value] of Object.entries(parsed)) if (value !== undefined) Reflect.set(request, name, value)
}

/** Replaces properties of an object by accessors that read what the cache observes, until they are overwritten. */
export function readThroughCache(holder: object, names: readonly string[], read: (name: string) => unknown): void {
  for (const name of names) {
    Object.defineProperty(holder, name, {
      get: () => read(name),
      set(value: unknown) {
        Object.defineProperty(holder, name, { value, writable: true, enumerable: true, configurable: true })
      },
      enumerable: true,
      configurable: true,
    })
  }
}

/** How to report that an object lacks a property, by the object. */
const ABSENT = new WeakMap<object, (name: string) => unknown>()

/** Proxies of prototypes, which objects with the same prototype share. */
const PROXIES = new WeakMap<object, object>()

/** Calls a function with the name of each property that is read of an object and that the object does not have. */
export function reportAbsent(holder: object, report: (name: string) => unknown): void {
  ABSENT.set(holder, report)
  const prototype: object = Object.getPrototypeOf(holder)
  let proxy = PROXIES.get(prototype)
  if (proxy === undefined) {
    proxy = new Proxy(prototype, ABSENT_READS)
    PROXIES.set(prototype, proxy)
    PROXIES.set(proxy, proxy)
  }
  Object.setPrototypeOf(holder, proxy)
}

/** Names that the language, serializers, test runners and tracers look for on every object. */
const ASKED_OF_ALL = /^(?:then|toJSON|nodeType|\$\$typeof|asymmetricMatch|@@.*|__.*)$/

const ABSENT_READS: ProxyHandler<object> = {
  get(target, name, receiver: object) {
    const value: unknown = Reflect.get(target, name, receiver)
    const isAbsent = value === undefined && typeof name === 'string' && !ASKED_OF_ALL.test(name) && !(name in target)
    if (isAbsent) ABSENT.get(receiver)?.(name)
    return value
  },
  getPrototypeOf: (target) => target,
}
