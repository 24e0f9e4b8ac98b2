import { given, rejectUnknownOptions } from './option-checks.js'
import type { KnownOption } from './option-hints.js'

/** One option: how its values are checked and read, its default, and its names in other libraries. */
export interface Option<Value, Options> extends KnownOption {
  /** The value when none is given; it is read as any other. */
  readonly default?: Value
  /**
   * Checks a value and gives the setting. `options`: all that were given, for what depends on another one.
   *
   * @throws TypeError or RangeError with a message that names the option, the rule and the value
   */
  readonly read: (value: Value, name: string, options: Options) => unknown
}

/** One entry for each option of an interface: an option that has no reader does not compile, nor a reader without an option. */
export type OptionTable<Options> = {
  readonly [Name in keyof Options]-?: Option<Options[Name], Options>
}

/** What the readers of a table give. */
export type Settings<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends { readonly read: (...args: never[]) => infer Setting }
    ? Setting
    : never
}

/**
 * Checks and reads options by their table, in its order.
 *
 * @throws TypeError for an unknown name; what the readers throw
 */
export function readOptions<Options extends object, Table extends OptionTable<Options>>(
  options: Options,
  table: Table & OptionTable<Options>,
  owner: string,
  prefix = '',
): Settings<Table> {
  rejectUnknownOptions(options, table, owner)
  const settings: Partial<Record<keyof Options, unknown>> = {}
  for (const name of namesOf<Options>(table)) settings[name] = readOption(table, name, options, prefix)
  return settings as Settings<Table>
}

function readOption<Options, Name extends keyof Options>(
  table: OptionTable<Options>,
  name: Name,
  options: Options,
  prefix: string,
): unknown {
  const { default: fallback, read } = table[name]
  return read(given(options[name], fallback as Options[Name]), `${prefix}${String(name)}`, options)
}

/** The names of the options in a table. */
export function namesOf<Options>(table: OptionTable<Options>): readonly (keyof Options)[] {
  return Object.keys(table) as (keyof Options)[]
}
