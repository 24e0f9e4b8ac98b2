/** Whether the prototype of an object is that of an object literal, or none: its class adds nothing. */
export function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object)
  return prototype === Object.prototype || prototype === null
}
