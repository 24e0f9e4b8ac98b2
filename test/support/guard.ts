import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'

/**
 * The last line of defence against processes that outlive the test run: a small shell that waits for the end of its
 * standard input, which comes however this process dies, and then kills what is still on its list.
 */
const SCRIPT = `
trap '' INT TERM HUP
pids=' '; dirs=' '
while read -r what name; do
  case "$what" in
    pid) pids="$pids$name " ;;
    gone) pids=$(printf '%s' "$pids" | sed "s/ $name / /") ;;
    dir) dirs="$dirs$name " ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
for dir in $dirs; do rm -rf "$dir"; done
`

const children = new Map<number, ChildProcess>()
const directories = new Set<string>()
let watchdog: ChildProcess | undefined

/** Sees to it that `child` dies with this process, however this process ends. */
export function guardProcess(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined) return
  children.set(pid, child)
  tell(`pid ${pid}`)
  child.once('exit', () => {
    children.delete(pid)
    tell(`gone ${pid}`)
  })
}

/** Sees to it that the directory is removed with this process. */
export function guardDirectory(path: string): void {
  directories.add(path)
  tell(`dir ${path}`)
}

function tell(line: string): void {
  watchdog ??= startWatchdog()
  watchdog.stdin?.write(`${line}\n`)
}

function startWatchdog(): ChildProcess {
  const child = spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  child.on('error', () => {})
  child.stdin?.on('error', () => {})
  child.unref()
  if (child.stdin && 'unref' in child.stdin) (child.stdin as { unref(): void }).unref()
  process.once('exit', endEverything)
  return child
}

function endEverything(): void {
  for (const child of children.values()) child.kill('SIGKILL')
  for (const path of directories) rmSync(path, { recursive: true, force: true })
}
