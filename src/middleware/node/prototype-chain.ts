/** An object and its prototypes, the object first; empty for `null`. */
export function chainOf(object: object | null): readonly object[] {
  const chain: object[] = []
  for (let at = object; at !== null; at = Object.getPrototypeOf(at)) chain.push(at)
  return chain
}

/** The first object of a prototype chain that has a property itself; `undefined` if none has it. */
export function ownerOf(object: object | null, name: string | symbol): object | undefined {
  for (let at = object; at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, name)) return at
  }
  return undefined
}

/** The descriptor of a property, which may be inherited; `undefined` if there is none. */
export function descriptorOf(object: object, name: string | symbol): PropertyDescriptor | undefined {
  const owner = ownerOf(object, name)
  return owner && Object.getOwnPropertyDescriptor(owner, name)
}
