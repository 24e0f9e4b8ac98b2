import { type ChildProcess, spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { bundled } from '../../scripts/bundled.mjs'
import { guardProcess } from '../support/guard.js'

/** How a command ended, and what it printed. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Environment of a command: what this process has, without settings that a command would use. */
const ENV = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(FALLBACK_CACHE_|REDIS_URL$|NO_COLOR$|FORCE_COLOR$|NODE_)/.test(name),
  ),
)

/** Starts the command line in a process of its own. */
export function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(process.execPath, [bundled('src/cli/main.ts'), ...args], { env: { ...ENV, ...env } })
  guardProcess(child)
  return child
}

/** Runs the command line, and resolves when it has ended. */
export async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return ended(start(args, env))
}

/** Resolves when a command has ended. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, err] = await Promise.all(
    [child.stdout, child.stderr].map((stream) => (stream === null ? '' : text(stream))),
  )
  return { code: await code, out: out ?? '', err: err ?? '' }
}

/** The values of lines of JSON. */
export function jsonLines(out: string): readonly Record<string, unknown>[] {
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
