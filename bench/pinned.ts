import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { env } from 'node:process'

/** Whether processes can be given a core each: the server one, what drives it and Redis the other. */
export const canPin = availableParallelism() > 1 && has('taskset')

/** Whether a command is on PATH. */
export function has(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined
}

/** As `spawn`, on that core where it can be chosen. */
export function spawnPinned(
  core: 0 | 1,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  return canPin
    ? spawn('taskset', ['-c', String(core), command, ...args], { ...options, env })
    : spawn(command, args, { ...options, env })
}

/** Moves a running process to a core. */
export function pin(pid: number, core: 0 | 1): void {
  if (canPin) spawnSync('taskset', ['-a', '-cp', String(core), String(pid)], { stdio: 'ignore' })
}
