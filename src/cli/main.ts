#!/usr/bin/env node
import { nearestName } from '../core/nearest-name.js'
import { Arguments } from './arguments.js'
import type { Command, ExitCode } from './command.js'
import { COMMANDS } from './commands.js'
import { CommandFailure, UsageError } from './errors.js'
import { commandHelp, generalHelp } from './help.js'
import { Terminal, visible, withoutLogins } from './terminal.js'

const terminal = new Terminal(process.stdout, process.stderr, process.env)
const interrupted = new AbortController()
/** Time that a command has to end by itself after Ctrl-C, in ms. */
const LAST_MOMENTS = 2000

// The reader of the output may close it: `fallback-cache keys | head`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' || code === 'EOF' ? 0 : 1))
}
process.on('SIGINT', () => {
  // A second Ctrl-C does not wait for the command to end.
  if (interrupted.signal.aborted) process.exit(130)
  interrupted.abort()
  setTimeout(() => process.exit(130), LAST_MOMENTS).unref()
})

runCommandLine(process.argv.slice(2)).then(
  (code) => process.stdout.write('', () => process.exit(code)),
  (thrown: unknown) => {
    terminal.note(`fallback-cache: ${messageOf(thrown)}`)
    process.exit(1)
  },
)

async function runCommandLine([name, ...args]: readonly string[]): Promise<ExitCode> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const [topic] = args
    if (name === 'help' && topic !== undefined) return runCommandLine([topic, '--help'])
    await terminal.print(generalHelp(Object.entries(COMMANDS).map(([one, { summary }]) => [one, summary])))
    return name === undefined ? 2 : 0
  }
  if (name === '--version' || name === '-v') {
    await terminal.print(await ownVersion())
    return 0
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (entry === undefined) {
    const meant = commandMeant(name)
    const hint = meant === undefined ? '' : `; is "${meant}" meant?`
    terminal.note(`fallback-cache: there is no command "${visible(name)}"${hint}\nfallback-cache --help lists them`)
    return 2
  }
  return runCommand(name, entry.summary, await entry.load(), args)
}

/** The command that has this name in another tool, or whose name is nearest. */
function commandMeant(name: string): string | undefined {
  const same = Object.entries(COMMANDS).find(([, { elsewhere }]) => elsewhere?.includes(name.toLowerCase()))
  return same?.[0] ?? nearestName(name, Object.keys(COMMANDS))
}

async function runCommand(name: string, summary: string, command: Command, args: readonly string[]): Promise<ExitCode> {
  try {
    const given = Arguments.read(args, command)
    if (given.has('help')) {
      await terminal.print(commandHelp(name, summary, command))
      return 0
    }
    return await command.run(given, { terminal, env: process.env, signal: interrupted.signal })
  } catch (thrown) {
    if (interrupted.signal.aborted) return 130
    const message = messageOf(thrown)
    if (thrown instanceof UsageError) {
      terminal.note(`fallback-cache ${name}: ${message}\nfallback-cache ${name} --help says how it is used`)
      return 2
    }
    terminal.note(`fallback-cache ${name}: ${message}`)
    if (!(thrown instanceof CommandFailure) && thrown instanceof Error && process.env.NODE_DEBUG !== undefined) {
      terminal.note(withoutLogins(visible(thrown.stack ?? '')))
    }
    return 1
  }
}

/** The part of an error that may be shown. */
function messageOf(thrown: unknown): string {
  return withoutLogins(visible(thrown instanceof Error ? thrown.message : String(thrown)))
}

async function ownVersion(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  for (const path of ['../../package.json', '../package.json']) {
    const text = await readFile(new URL(path, import.meta.url), 'utf8').catch(() => '{}')
    const { name, version } = JSON.parse(text) as { name?: string; version?: string }
    if (name === 'fallback-cache') return version ?? ''
  }
  return 'unknown'
}
