import { namesIn, record, rejectUnknownOptions, shown } from '../../core/option-checks.js'
import { isToken } from '../syntax/fields.js'
import { isFilledInput } from './filled-inputs.js'
import { MAX_SELECTING } from './vary.js'

/** The object form of the `inputs` option. */
export interface InputsOptions {
  /**
   * Inputs on which no response depends: field names, `cookie:` with a cookie name, `query:` with a parameter name,
   * `req:`, `ctx:`, `locals:` and `state:` with the name of a value, `response:` with that of a response field, `ip`.
   */
  readonly ignore?: readonly string[] | undefined
  /**
   * Inputs that identify the user, regardless of their names: a request with one is never answered with a response
   * stored for others.
   */
  readonly count?: readonly string[] | undefined
  /** The same as the option `vary`. */
  readonly vary?: readonly string[] | undefined
}

/** The validated `inputs` option: which inputs of a handler run are significant. */
export interface InputsPolicy {
  /** Inputs that are ignored: fields in lower case, `cookie:name`. */
  readonly ignored: ReadonlySet<string>
  /** Inputs that are treated as credentials. */
  readonly counted: ReadonlySet<string>
  /** The names under which runs have read objects that cannot be compared: see `meetObject`. */
  readonly metNames: Set<string>
  /** Selecting inputs in addition to the option `vary`. */
  readonly vary: readonly string[]
}

/**
 * Validates the option `inputs`; `undefined` if it is false.
 *
 * @throws TypeError for a value of the wrong type
 */
export function readInputs(inputs: unknown): InputsPolicy | undefined {
  if (inputs === false) return undefined
  rejectUnknownOptions(record(inputs, 'inputs (unless it is false)'), { ignore: {}, count: {}, vary: {} }, 'inputs')
  const { ignore, count, vary } = inputs as InputsOptions
  return {
    ignored: new Set(inputNames(ignore, 'inputs.ignore', MOST_INPUTS)),
    counted: new Set(inputNames(count, 'inputs.count', MOST_INPUTS)),
    metNames: new Set(),
    vary: inputNames(vary, 'inputs.vary', MAX_SELECTING),
  }
}

/**
 * Validates a list of at most `most` inputs: field names, which are converted to lower case, and names with a prefix
 * such as `cookie:name`.
 *
 * @throws TypeError or RangeError for anything else
 */
export function inputNames(list: unknown, option: string, most: number): readonly string[] {
  return namesIn(list, option, most).map((name) => inputName(name, option))
}

/** Maximum number of names in `ignore` and in `count`. */
const MOST_INPUTS = 1000

function inputName(name: string, option: string): string {
  if (isToken(name) && name !== '*') return name.toLowerCase()
  if (/^response:./.test(name)) return name.toLowerCase()
  if (/^cookie:[^\s;,=]+$/.test(name) || /^query:./.test(name) || isFilledInput(name)) return name
  throw new TypeError(
    `${option} must be a list of field names, of cookies such as "cookie:theme", and of values such as "req:tenant", got ${shown(name)}`,
  )
}
