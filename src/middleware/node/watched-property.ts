import { type InputsRead, isPlainValue } from '../../http/port/index.js'
import { isLaid, layAccessor, type OwnAccessor } from './own-accessors.js'

/** A property that middleware added. */
interface AddedProperty {
  readonly input: string
  readonly holder: object
  readonly name: string
  readonly value: unknown
  /** Whether reads count; if not, calls do. */
  readonly isRead: boolean
}

/** Records reads of a property until the run ends, or the property is overwritten. */
export function watchProperty(added: AddedProperty, inputs: InputsRead): void {
  const watched = new WatchedProperty(added, inputs)
  layAccessor(added.holder, added.name, watched, true)
  inputs.onClose(() => watched.set(added.value))
}

class WatchedProperty implements OwnAccessor {
  readonly #added: AddedProperty
  readonly #inputs: InputsRead
  readonly #isPlain: boolean
  #handedOut: unknown

  constructor(added: AddedProperty, inputs: InputsRead) {
    const { value, input } = added
    this.#added = added
    this.#inputs = inputs
    this.#isPlain = isAbsent(value) || (isPlainValue(value) && !inputs.counted.has(input))
  }

  get(): unknown {
    const { input, value, isRead } = this.#added
    if (isRead) {
      this.#inputs.filled(input, this.#isPlain)
      return value
    }
    this.#handedOut ??= watchedFunction(value as () => unknown, () => this.#inputs.filled(input, false))
    return this.#handedOut
  }

  /** A property that is overwritten is no longer watched. */
  set(value: unknown): void {
    const { holder, name } = this.#added
    if (!isLaid(holder, name, this)) return
    Object.defineProperty(holder, name, { value, writable: true, enumerable: true, configurable: true })
  }
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

/** Whether a property has no value, as for a visitor for whom middleware sets none. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null
}
