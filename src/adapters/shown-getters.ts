/** Getters by name. */
type Getters = ReadonlyMap<string, () => unknown>

/** A getter as the cache observes it: a property of the request of Node.js. */
interface ShownGetter {
  readonly name: string
  read(): unknown
}

/** Which getters are shown, and what their names begin with on the request of Node.js. */
interface Shown {
  readonly known: ReadonlySet<string>
  readonly prefix: string
}

const SHOWN = new WeakMap<object, readonly ShownGetter[]>()

/**
 * Shows the cache the getters with which plugins have decorated an object of the framework, as getters of the request of
 * Node.js: what they return may be kept where the cache does not look, such as under a symbol. None is called before the
 * handler reads it.
 */
export function showGetters(incoming: object, holder: object, { known, prefix }: Shown): void {
  const getters = gettersOf(Object.getPrototypeOf(holder))
  if (getters.size === 0) return
  const shown: ShownGetter[] = []
  for (const [name, get] of getters) {
    const property = prefix + name
    if (known.has(name) || property in incoming || Object.hasOwn(holder, name)) continue
    Object.defineProperty(incoming, property, { get: () => get.call(holder), configurable: true })
    shown.push({ name, read: () => Reflect.get(incoming, property) })
  }
  SHOWN.set(holder, shown)
}

/** Lets reads go through what the cache observes, until the property is set. */
export function readGettersThroughCache(holder: object): void {
  for (const { name, read } of SHOWN.get(holder) ?? []) {
    Object.defineProperty(holder, name, {
      get: read,
      set(value: unknown) {
        Reflect.deleteProperty(holder, name)
        Reflect.set(holder, name, value)
      },
      configurable: true,
    })
  }
}

const GETTERS = new WeakMap<object, Getters>()

/** The getters of the prototypes of an object, without those of the framework's own, which is the last one. */
function gettersOf(prototype: object): Getters {
  const found = GETTERS.get(prototype) ?? collected(prototype)
  GETTERS.set(prototype, found)
  return found
}

function collected(prototype: object): Getters {
  const getters = new Map<string, () => unknown>()
  let holder = prototype
  for (;;) {
    const next: object | null = Object.getPrototypeOf(holder)
    if (next === null || next === Object.prototype) break
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (get !== undefined && !getters.has(name)) getters.set(name, get)
    }
    holder = next
  }
  for (const name of Object.getOwnPropertyNames(holder)) getters.delete(name)
  return getters
}
