/**
 * Whether the prototype of an object is that of an object literal, or none: its class adds nothing. Objects of another realm, as
 * those of Node.js are for code that Jest runs, count like those of this one.
 */
export function isPlain(object: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(object)
  return prototype === Object.prototype || prototype === null || isRoot(prototype)
}

function isRoot(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}
