/**
 * The version of the objects that several copies of this package in one process share: scopes and recordings of
 * requests, caches, stored responses. Incremented when one of them changes incompatibly with older copies.
 */
export const INTERFACE_VERSION = 1

/**
 * A symbol shared by all copies of this package in one process (the ESM and the CommonJS build, or two installations)
 * with the same interface version.
 */
export function sharedSymbol(name: string): symbol {
  return Symbol.for(`fallback-cache.${name}/${INTERFACE_VERSION}`)
}

/** Whether a value is an instance of a branded class, of this copy of the package or another. */
function isBranded(value: unknown, brand: symbol): boolean {
  return typeof value === 'object' && value !== null && brand in value
}

/** Makes `instanceof` recognize instances of a class that were created by another copy of this package. */
export function brand<Instance>(type: abstract new (...args: never[]) => Instance, name: string): void {
  const symbol = sharedSymbol(name)
  Object.defineProperty(type.prototype as object, symbol, { value: true })
  Object.defineProperty(type, Symbol.hasInstance, { value: (value: unknown) => isBranded(value, symbol) })
}

const INTERFACE = Symbol.for('fallback-cache.interface')

/** Makes the instances of a class expose the interface version of their copy of this package. */
export function tellVersion(type: { readonly prototype: object }): void {
  Object.defineProperty(type.prototype, INTERFACE, { value: INTERFACE_VERSION })
}

/** The interface version that an object exposes; `undefined` if it is not an object of this package. */
export function versionOf(value: object): unknown {
  return Reflect.get(value, INTERFACE)
}
