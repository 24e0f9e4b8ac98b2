import type { Command } from './command.js'

/** A command that is loaded when it is run. */
interface LazyCommand {
  readonly summary: string
  readonly load: () => Promise<Command>
}

/** The commands, in the order of the help. */
export const COMMANDS: Readonly<Record<string, LazyCommand>> = {
  keys: {
    summary: 'list what is stored in Redis',
    load: async () => (await import('./commands/keys.js')).keysCommand,
  },
  get: {
    summary: 'show one entry',
    load: async () => (await import('./commands/get.js')).getCommand,
  },
  verify: {
    summary: 'check an application for stale answers over HTTP',
    load: async () => (await import('./commands/verify.js')).verifyCommand,
  },
}
