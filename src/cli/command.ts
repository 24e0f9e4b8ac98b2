import type { Arguments, OptionSpec } from './arguments.js'
import type { Terminal } from './terminal.js'

/** The exit status of a command: 0: done; 1: a check or an operation failed; 2: wrong usage; 130: interrupted by Ctrl-C. */
export type ExitCode = 0 | 1 | 2 | 130

/** The environment that a command runs in. */
export interface Surroundings {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** A command, with the text of its help. */
export interface Command {
  /** The arguments after its name: `[prefix] [options]`; a line for each form. */
  readonly synopsis: string
  readonly description: string
  readonly options: Readonly<Record<string, OptionSpec>>
  /** Minimum and maximum number of arguments besides options. */
  readonly arity: readonly [least: number, most: number]
  /** Example command lines, each with its purpose. */
  readonly examples: readonly (readonly [what: string, line: string])[]
  /** The condition under which its exit status is 1. */
  readonly failsIf: string
  /** @throws UsageError, CommandFailure */
  run(given: Arguments, around: Surroundings): Promise<ExitCode>
}
