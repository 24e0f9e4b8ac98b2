import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { env } from 'node:process'

/** Whether processes are given a core each: the server one, what drives it and Redis the other. */
export let canPin = availableParallelism() > 1 && has('taskset')

/** Lets processes run where there is room, for runs whose figures mean nothing. */
export function pinNothing(): void {
  canPin = false
}

/** Whether a command is on PATH. */
export function has(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0
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
export function pin(pid: number, core: number): void {
  if (canPin) spawnSync('taskset', ['-a', '-cp', String(core), String(pid)], { stdio: 'ignore' })
}
