/** What a property answers and takes instead of its own value. An object with methods: see {@link layAccessor}. */
export interface OwnAccessor {
  get(): unknown
  set(value: unknown): void
}

/**
 * Replaces a property of one object by an accessor, or an accessor laid before.
 *
 * All objects share the functions of a name, which find the state of one object on the object. With closures for each
 * object, V8 keeps what they refer to until the next full garbage collection.
 */
export function layAccessor(holder: object, name: string, accessor: OwnAccessor, enumerable: boolean): void {
  const laid = holder as Holding
  const functions = functionsOf(name)
  // An object may inherit from one that has accessors, too.
  if (!Object.hasOwn(laid, LAID)) laid[LAID] = new Map(laid[LAID])
  laid[LAID]?.set(name, { accessor, functions })
  Object.defineProperty(holder, name, { get: functions.get, set: functions.set, enumerable, configurable: true })
}

/** Whether a property of an object is still replaced by this accessor. */
export function isLaid(holder: object, name: string, accessor: OwnAccessor): boolean {
  const laid = (holder as Holding)[LAID]?.get(name)
  return laid?.accessor === accessor && Object.getOwnPropertyDescriptor(holder, name)?.get === laid.functions.get
}

/** The property under which an object stores its accessors, by name. */
const LAID = Symbol('fallback-cache.laid')

interface Holding {
  [LAID]?: Map<string, { readonly accessor: OwnAccessor; readonly functions: Functions }>
}

interface Functions {
  readonly get: (this: Holding) => unknown
  readonly set: (this: Holding, value: unknown) => void
}

/** The functions of the names that were used first; their number is limited, because applications choose the names. */
const FUNCTIONS = new Map<string, Functions>()
const MOST_NAMES = 1_000

function functionsOf(name: string): Functions {
  const known = FUNCTIONS.get(name)
  if (known !== undefined) return known
  const made: Functions = {
    get() {
      return this[LAID]?.get(name)?.accessor.get()
    },
    set(value) {
      this[LAID]?.get(name)?.accessor.set(value)
    },
  }
  if (FUNCTIONS.size < MOST_NAMES) FUNCTIONS.set(name, made)
  return made
}
