import { type InputsRead, isIdentifierName, isPlainValue, isPrivate, isTelling } from '../../http/port/index.js'
import { isReadByEmit } from './emitter-domain.js'
import { isLaid, layAccessor, type OwnAccessor } from './own-accessors.js'

/** A property that middleware added. */
interface AddedProperty {
  readonly input: string
  readonly holder: object
  readonly name: string
  readonly value: unknown
  readonly enumerable: boolean
  /** Whether reads count; if not, calls do. */
  readonly isRead: boolean
}

/** Records reads of a property until the run ends, or the property is overwritten. */
export function watchProperty(added: AddedProperty, inputs: InputsRead): void {
  const watched = new WatchedProperty(added, inputs)
  layAccessor(added.holder, added.name, watched, added.enumerable)
  inputs.onClose(() => watched.set(added.value))
}

class WatchedProperty implements OwnAccessor {
  readonly #added: AddedProperty
  readonly #inputs: InputsRead
  #handedOut: unknown

  constructor(added: AddedProperty, inputs: InputsRead) {
    this.#added = added
    this.#inputs = inputs
  }

  get(): unknown {
    const { input, name, value, isRead } = this.#added
    if (isRead) {
      noteRead(input, name, value, this.#inputs)
      return value
    }
    this.#handedOut ??= this.#handOut(value as () => unknown)
    return this.#handedOut
  }

  #handOut(value: () => unknown): unknown {
    const { input, holder } = this.#added
    const count = () => this.#inputs.filled(input, false)
    return input.startsWith('res:') ? tellingFunction(value, holder, count) : watchedFunction(value, count)
  }

  /** A property that is overwritten is no longer watched. */
  set(value: unknown): void {
    const { holder, name, enumerable } = this.#added
    if (!isLaid(holder, name, this)) return
    Object.defineProperty(holder, name, { value, writable: true, enumerable, configurable: true })
  }
}

/** Records that a value was read which middleware has set; for a function only if its name is telling. */
export function noteRead(input: string, name: string, value: unknown, inputs: InputsRead): void {
  if (isReadByEmit(name, value) || isPrivate(name, value)) return
  const isCounted = inputs.counted.has(input)
  if (isIdentifierName(name) && !isCounted && typeof value !== 'object') inputs.identifier(input, value)
  else if (isAbsent(value) || (isPlainValue(value) && !isCounted)) inputs.filled(input, true)
  else if (isCounted || isTelling(name) || typeof value === 'symbol') inputs.filled(input, false)
  else if (typeof value === 'object') inputs.filledObject(input, value)
}

/**
 * A Proxy of a function that reports calls. Functions that middleware leaves on a request may close over data of the
 * visitor, such as a token or a language.
 */
export function watchedFunction(value: () => unknown, called: () => void): () => unknown {
  return new Proxy(value, {
    apply(target, self, args) {
      called()
      return Reflect.apply(target, self, args)
    },
    construct(target, args, newTarget) {
      called()
      return Reflect.construct(target, args, newTarget)
    },
  })
}

/**
 * A Proxy of a function of a response that reports calls which return something: responses have many functions by which
 * handlers answer, and these return nothing or the response, now or later.
 */
function tellingFunction(value: () => unknown, response: object, told: () => void): () => unknown {
  const noted = <Result>(result: Result): Result => {
    if (!isAbsent(result) && result !== response) told()
    return result
  }
  return new Proxy(value, {
    apply(target, self, args) {
      const result: unknown = Reflect.apply(target, self, args)
      return result instanceof Promise ? result.then(noted) : noted(result)
    },
  })
}

/** Whether a property has no value, as for a visitor for whom middleware sets none. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null
}

/** A property with a getter that middleware defined. */
interface AddedGetter {
  readonly input: string
  readonly holder: object
  readonly name: string
  readonly descriptor: PropertyDescriptor
  /** The values when the run began, which gets that of the getter once it is read. */
  readonly before: Record<string, unknown>
}

/** Like {@link watchProperty}, for a getter. It is not called before the handler reads it. */
export function watchGetter(added: AddedGetter, inputs: InputsRead): void {
  const watched = new WatchedGetter(added, inputs)
  layAccessor(added.holder, added.name, watched, added.descriptor.enumerable === true)
  inputs.onClose(() => watched.restore())
}

class WatchedGetter implements OwnAccessor {
  readonly #added: AddedGetter
  readonly #inputs: InputsRead
  readonly #functions = new Map<unknown, unknown>()

  constructor(added: AddedGetter, inputs: InputsRead) {
    this.#added = added
    this.#inputs = inputs
  }

  get(): unknown {
    const { input, holder, name, descriptor, before } = this.#added
    const value: unknown = descriptor.get?.call(holder)
    if (typeof value === 'function') return this.#handOut(value as () => unknown)
    before[name] = value
    noteRead(input, name, value, this.#inputs)
    return value
  }

  /** A property that is overwritten is no longer watched. */
  set(value: unknown): void {
    this.restore()
    Reflect.set(this.#added.holder, this.#added.name, value)
  }

  restore(): void {
    const { holder, name, descriptor } = this.#added
    if (isLaid(holder, name, this)) Object.defineProperty(holder, name, descriptor)
  }

  #handOut(value: () => unknown): unknown {
    const known = this.#functions.get(value)
    if (known !== undefined) return known
    const watched = watchedFunction(value, () => this.#inputs.filled(this.#added.input, false))
    this.#functions.set(value, watched)
    return watched
  }
}
