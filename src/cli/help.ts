import { COMMON_OPTIONS, type OptionSpec } from './arguments.js'
import type { Command } from './command.js'

/** The indentation of each section, and the width of the text in characters. */
const INDENT = '  '
const WIDTH = 100

/** The help of a command, in the sections of a manual page. */
export function commandHelp(name: string, summary: string, command: Command): string {
  const { synopsis, description, options, examples, failsIf } = command
  return [
    section('NAME', [`fallback-cache ${name} - ${summary}`]),
    section(
      'SYNOPSIS',
      synopsis.split('\n').map((form) => `fallback-cache ${name} ${form}`.trimEnd()),
    ),
    section('DESCRIPTION', wrapped(description, WIDTH - INDENT.length)),
    section('OPTIONS', optionLines({ ...options, ...COMMON_OPTIONS })),
    section(
      'EXAMPLES',
      examples.flatMap(([what, line], at) => [...(at === 0 ? [] : ['']), `# ${what}`, `fallback-cache ${line}`]),
    ),
    section('EXIT STATUS', [
      '0  done',
      ...wrapped(`1  ${failsIf}`, WIDTH),
      '2  used wrongly',
      '130  interrupted by Ctrl-C before its end',
    ]),
  ].join('\n\n')
}

/** The help of the whole command line. */
export function generalHelp(commands: readonly (readonly [name: string, summary: string])[]): string {
  const width = Math.max(...commands.map(([name]) => name.length))
  return [
    section('SYNOPSIS', ['fallback-cache <command> [arguments] [options]']),
    section(
      'COMMANDS',
      commands.map(([name, summary]) => `${name.padEnd(width)}  ${summary}`),
    ),
    section('ENVIRONMENT', [
      'FALLBACK_CACHE_REDIS, REDIS_URL    the Redis, if there is no --redis',
      'FALLBACK_CACHE_KEY_PREFIX          the keyPrefix, if there is no --key-prefix',
      'NO_COLOR                           prints no colours',
    ]),
    section('EXIT STATUS', [
      '0  done',
      '1  found something, or failed',
      '2  used wrongly',
      '130  interrupted by Ctrl-C before its end',
    ]),
    'fallback-cache <command> --help says more. docs/cli.md explains everything.',
  ].join('\n\n')
}

function section(title: string, lines: readonly string[]): string {
  return [title, ...lines.map((line) => (line === '' ? '' : INDENT + line))].join('\n')
}

function optionLines(options: Readonly<Record<string, OptionSpec>>): readonly string[] {
  const names = Object.entries(options).map(([name, { value, short }]) => {
    const both = short === undefined ? `--${name}` : `-${short}, --${name}`
    return value === undefined ? both : `${both} <${value}>`
  })
  const width = Math.max(...names.map((name) => name.length))
  return Object.values(options).flatMap(({ text, isList }, at) => {
    const [first = '', ...more] = wrapped(isList === true ? `${text}; may come again` : text, WIDTH - width - 4)
    return [`${names[at]?.padEnd(width)}  ${first}`, ...more.map((line) => `${''.padEnd(width)}  ${line}`)]
  })
}

/** Breaks a text into lines; a blank line in it stays one. */
function wrapped(text: string, width: number): readonly string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = ['']
    for (const word of paragraph.split(' ')) {
      const last = lines.length - 1
      const longer = lines[last] === '' ? word : `${lines[last]} ${word}`
      if (longer.length <= width || lines[last] === '') lines[last] = longer
      else lines.push(word)
    }
    return lines
  })
}
