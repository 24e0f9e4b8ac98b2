import { namesIn, record, rejectUnknownOptions, shown } from '../../core/option-checks.js'
import { isToken } from '../syntax/fields.js'
import { isFilledInput } from './filled-inputs.js'
import { MAX_SELECTING } from './vary.js'

/** What the `inputs` option takes. */
export interface InputsOptions {
  /** Inputs on which no response depends: names of fields, `cookie:` with the name of a cookie, `query:` with that of a parameter, `req:`, `ctx:`, `locals:` and `state:` with that of a value, `ip`. */
  readonly ignore?: readonly string[] | undefined
  /** Inputs that say who is asking, whatever their names: a request with one is never answered from what was stored for others. */
  readonly count?: readonly string[] | undefined
  /** The same as the option `vary`. */
  readonly vary?: readonly string[] | undefined
}

/** Which inputs of a run count. */
export interface InputsPolicy {
  /** Inputs that never count: fields in lower case, `cookie:name`. */
  readonly ignored: ReadonlySet<string>
  /** Inputs that count as credentials. */
  readonly counted: ReadonlySet<string>
  /** Inputs by which responses are selected, in addition to the option `vary`. */
  readonly vary: readonly string[]
}

/**
 * Checks the option `inputs`.
 *
 * @throws TypeError for a value of the wrong kind
 */
export function readInputs(inputs: unknown, preset: 'application' | 'proxy'): InputsPolicy | undefined {
  if (inputs === false) return undefined
  if (inputs === undefined) return preset === 'proxy' ? undefined : WATCHED
  rejectUnknownOptions(record(inputs, 'inputs (unless it is false)'), ['ignore', 'count', 'vary'], 'inputs')
  const { ignore, count, vary } = inputs as InputsOptions
  return {
    ignored: new Set(inputNames(ignore, 'inputs.ignore', MOST_INPUTS)),
    counted: new Set(inputNames(count, 'inputs.count', MOST_INPUTS)),
    vary: inputNames(vary, 'inputs.vary', MAX_SELECTING),
  }
}

/**
 * Checks a list of at most so many inputs: field names, which become lower case, and `cookie:name`.
 *
 * @throws TypeError or RangeError for anything else
 */
export function inputNames(list: unknown, option: string, most: number): readonly string[] {
  return namesIn(list, option, most).map((name) => inputName(name, option))
}

/** Inputs that never count, or count as credentials. */
const MOST_INPUTS = 1000

function inputName(name: string, option: string): string {
  if (isToken(name) && name !== '*') return name.toLowerCase()
  if (/^cookie:[^\s;,=]+$/.test(name) || /^query:./.test(name) || isFilledInput(name)) return name
  throw new TypeError(
    `${option} must be a list of field names, of cookies such as "cookie:theme", and of values such as "req:tenant", got ${shown(name)}`,
  )
}

const WATCHED: InputsPolicy = { ignored: new Set(), counted: new Set(), vary: [] }
