/**
 * The version of what copies of this package in one process share: scopes and recordings of requests, cores, stored responses. It grows
 * whenever one of them changes in a way that an older copy could not work with.
 */
export const INTERFACE_VERSION = 1

/**
 * A symbol that is the same in all copies of this package in one process (the ESM and the CommonJS build, or two installations) that
 * share an interface version.
 */
export function sharedSymbol(name: string): symbol {
  return Symbol.for(`fallback-cache.${name}/${INTERFACE_VERSION}`)
}

/** Whether a value carries the brand of a class, of this copy or another one. */
function isBranded(value: unknown, brand: symbol): boolean {
  return typeof value === 'object' && value !== null && brand in value
}

/** Marks the instances of a class, so that `instanceof` knows those of another copy of this package. */
export function brand<Instance>(type: abstract new (...args: never[]) => Instance, name: string): void {
  const symbol = sharedSymbol(name)
  Object.defineProperty(type.prototype as object, symbol, { value: true })
  Object.defineProperty(type, Symbol.hasInstance, { value: (value: unknown) => isBranded(value, symbol) })
}

const INTERFACE = Symbol.for('fallback-cache.interface')

/** Has the instances of a class tell the interface version of their copy of this package. */
export function tellVersion(type: { readonly prototype: object }): void {
  Object.defineProperty(type.prototype, INTERFACE, { value: INTERFACE_VERSION })
}

/** The interface version that an object tells; `undefined`: none, it is no object of this package. */
export function versionOf(value: object): unknown {
  return Reflect.get(value, INTERFACE)
}
