import type { Arguments, OptionSpec } from './arguments.js'
import type { Terminal } from './terminal.js'

/** How a command ends: done; something was found or failed; used wrongly. 130: interrupted by Ctrl-C. */
export type ExitCode = 0 | 1 | 2 | 130

/** What a command works with besides its arguments. */
export interface Surroundings {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** A command, with what its help says. */
export interface Command {
  /** What follows its name: `[prefix] [options]`. */
  readonly synopsis: string
  readonly description: string
  readonly options: Readonly<Record<string, OptionSpec>>
  /** How many arguments it takes besides options, at least and at most. */
  readonly arity: readonly [least: number, most: number]
  /** Command lines, each with what it is for. */
  readonly examples: readonly (readonly [what: string, line: string])[]
  /** When it ends with 1. */
  readonly failsIf: string
  /** @throws UsageError, CommandFailure */
  run(given: Arguments, around: Surroundings): Promise<ExitCode>
}
