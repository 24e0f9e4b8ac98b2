import { given, rejectUnknownOptions } from './option-checks.js'
import type { KnownOption } from './option-hints.js'

/** One option: how its values are validated and converted, its default, and its names in other libraries. */
export interface Option<Value, Options> extends KnownOption {
  /** The value used if the option is not given; it is read like any other value. */
  readonly default?: Value
  /** The value by preset that is used if the option is not given, for options whose default depends on the preset. */
  readonly presets?: Readonly<Record<string, Value>>
  /**
   * Validates a value and returns the setting. `options` contains all given options, for settings that depend on
   * others.
   *
   * @throws TypeError or RangeError with a message that contains the option, the rule and the value
   */
  readonly read: (value: Value, name: string, options: Options) => unknown
}

/**
 * One entry per option of an interface. An option without a reader, or a reader without an option, is a compile error.
 */
export type OptionTable<Options> = {
  readonly [Name in keyof Options]-?: Option<Options[Name], Options>
}

/** The settings that the readers of a table return. */
export type Settings<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends { readonly read: (...args: never[]) => infer Setting }
    ? Setting
    : never
}

/** The context in which options are read. */
export interface Reading {
  /** The prefix of names in messages, such as `circuitBreaker.`. @defaultValue `''` */
  readonly prefix?: string
  /** The preset whose defaults apply. */
  readonly preset?: string
}

/**
 * Validates and reads options by their table, in its order.
 *
 * @throws TypeError for an unknown option, and errors of the readers
 */
export function readOptions<Options extends object, Table extends OptionTable<Options>>(
  options: Options,
  table: Table & OptionTable<Options>,
  owner: string,
  reading: Reading = {},
): Settings<Table> {
  rejectUnknownOptions(options, table, owner)
  return readSettings<Options, Table>(options, table, reading)
}

/** Like {@link readOptions}, but ignores options that are not in the table. @throws errors of the readers */
export function readSettings<Options extends object, Table extends Partial<OptionTable<Options>>>(
  options: Options,
  table: Table & Partial<OptionTable<Options>>,
  reading: Reading = {},
): Settings<Table> {
  const settings: Partial<Record<keyof Options, unknown>> = {}
  for (const name of namesOf<Options>(table)) {
    // The names come from the table itself, so each of them has an entry.
    settings[name] = readOption(table as OptionTable<Options>, name, options, reading)
  }
  return settings as Settings<Table>
}

function readOption<Options, Name extends keyof Options>(
  table: OptionTable<Options>,
  name: Name,
  options: Options,
  { prefix = '', preset = '' }: Reading,
): unknown {
  const { default: standard, presets, read } = table[name]
  const fallback = presets?.[preset] ?? standard
  return read(given(options[name], fallback as Options[Name]), `${prefix}${String(name)}`, options)
}

/** The names of the options in a table. */
export function namesOf<Options>(table: Partial<OptionTable<Options>>): readonly (keyof Options)[] {
  return Object.keys(table) as (keyof Options)[]
}
