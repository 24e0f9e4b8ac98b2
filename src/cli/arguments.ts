import { parseArgs } from 'node:util'
import { nearestName } from '../core/nearest-name.js'
import { UsageError } from './errors.js'

/** An option of a command. */
export interface OptionSpec {
  /** Names the value in the help; left out for a switch. */
  readonly value?: string
  /** Whether it may be given more than once. */
  readonly isList?: boolean
  readonly short?: string
  readonly text: string
}

/** The options and arguments that a command accepts. */
interface Taken {
  readonly synopsis: string
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly arity: readonly [least: number, most: number]
}

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  json: { text: 'print JSON, for programs' },
  help: { short: 'h', text: 'print this text' },
}

/** The arguments of a command, read and checked. */
export class Arguments {
  readonly positionals: readonly string[]
  readonly #values: Readonly<Record<string, unknown>>

  private constructor(values: Readonly<Record<string, unknown>>, positionals: readonly string[]) {
    this.#values = values
    this.positionals = positionals
  }

  /** @throws UsageError for an unknown option, a missing value, or a number of arguments that the command does not take */
  static read(args: readonly string[], { synopsis, options, arity }: Taken): Arguments {
    const known = { ...options, ...COMMON_OPTIONS }
    const { values, positionals } = parsed(args, known)
    const [least, most] = arity
    if (values.help !== true) {
      if (positionals.length < least) throw new UsageError(`an argument is missing: ${synopsis.split('\n', 1)[0]}`)
      if (positionals.length > most) throw new UsageError(`one argument too many: ${positionals[most]}`)
    }
    return new Arguments(values, positionals)
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== false
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  /** A number within a range. @throws UsageError */
  number(name: string, usual: number, [least, most]: readonly [number, number], isWhole = true): number {
    const text = this.text(name)
    if (text === undefined) return usual
    const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    if (number >= least && number <= most && (!isWhole || Number.isInteger(number))) return number
    throw new UsageError(`--${name} must be a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}, got ${text}`)
  }

  /** The value of an option that must be one of these words. @throws UsageError */
  word<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const word = words.find((one) => one === text)
    if (word === undefined) throw new UsageError(`--${name} must be one of ${words.join(', ')}, got ${text}`)
    return word
  }
}

function parsed(args: readonly string[], known: Readonly<Record<string, OptionSpec>>) {
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { value, isList, short }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: isList === true,
        ...(short === undefined ? {} : { short }),
      },
    ]),
  )
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (thrown) {
    const unknown = unknownOption(thrown)
    if (unknown === undefined)
      throw new UsageError(thrown instanceof Error ? firstSentence(thrown.message) : 'unreadable')
    const meant = nearestName(unknown, Object.keys(known))
    throw new UsageError(`there is no option --${unknown}${meant === undefined ? '' : `; is --${meant} meant?`}`)
  }
}

/** The name of the option in an error of `parseArgs`. */
function unknownOption(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown) || thrown.code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    return undefined
  return /'(--?)?([^']+)'/.exec(thrown.message)?.[2]
}

/** The first sentence of a message of `parseArgs`, and how to write a value that begins with a dash. */
function firstSentence(message: string): string {
  const [sentence = message] = message.split(/\.\s/, 1)
  const [, option] = /use '(--[^=]+=)-/.exec(message) ?? []
  return option === undefined ? sentence : `${sentence}: write ${option}… for a value that begins with a dash`
}
