import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { built } from '../build.js'
import { has, spawnPinned } from '../pinned.js'

/** What is asked for. */
export interface Load {
  /** In this order, over and over. With `unique`, each with a number appended that is never used again. */
  readonly paths: readonly string[]
  readonly unique?: boolean
  /** @defaultValue GET */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Connections, each with one request at a time. */
  readonly connections: number
  readonly seconds: number
  /**
   * Requests per second, whether or not the server keeps up; the wait for a free connection is part of the latency.
   *
   * @defaultValue as many as the connections carry, one after the other
   */
  readonly rate?: number | undefined
}

/** What came of it. Latencies in milliseconds. */
export interface Driven {
  readonly requests: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Answers that are no 2xx or 3xx, and connections that broke. */
  readonly errors: number
}

/** What drives the servers: wrk where it is installed, else a load generator of our own. */
export const generator: 'wrk' | 'own' = has('wrk') ? 'wrk' : 'own'

let calls = 0

/** Drives a server from the other core. */
export async function drive(port: number, load: Load): Promise<Driven> {
  calls += 1
  // wrk would wait for the body that an answer to HEAD speaks of, and it knows no rate.
  const canWrk = generator === 'wrk' && load.method !== 'HEAD' && load.rate === undefined
  return canWrk ? driveWithWrk(port, load) : driveOurselves(port, load)
}

async function driveWithWrk(port: number, load: Load): Promise<Driven> {
  const script = `${built}/load-${load.unique === true ? calls : hash(JSON.stringify(load))}.lua`
  if (!existsSync(script)) {
    mkdirSync(built, { recursive: true })
    writeFileSync(script, luaOf(load))
  }
  const { connections, seconds } = load
  const longest = `-d${Math.ceil(seconds) + 10}s`
  const args = ['-t1', `-c${connections}`, longest, '--latency', '-s', script, `http://127.0.0.1:${port}/`]
  for (let start = 100 + load.paths.length / 200; ; start *= 2) {
    const said = await runWrk(args, seconds * 1000 + start)
    if (said !== '') return readWrk(said)
    if (start > 5000) throw new Error('wrk says nothing')
  }
}

/** wrk is told whole seconds only, and ends with its figures when it is interrupted; before it is ready, without. */
async function runWrk(args: readonly string[], milliseconds: number): Promise<string> {
  const child = spawnPinned(1, 'wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const interrupt = (): boolean => child.kill('SIGINT')
  // The first one may come before it sleeps, and then ends its load but not its sleep.
  let again: NodeJS.Timeout | undefined
  const end = setTimeout(() => {
    interrupt()
    again = setInterval(interrupt, 150)
  }, milliseconds)
  const [said] = await Promise.all([child.stdout === null ? '' : text(child.stdout), once(child, 'exit')])
  clearTimeout(end)
  clearInterval(again)
  return said
}

function luaOf({ paths, unique, method = 'GET', headers = {} }: Load): string {
  const fields = Object.entries(headers).map(([name, value]) => `[${lua(name)}] = ${lua(value)}`)
  const start = `local headers = { ${fields.join(', ')} }\nlocal n = 0\n`
  if (unique === true) {
    const path = lua(`${paths[0]}-${calls}-`)
    return `${start}request = function() n = n + 1; return wrk.format("${method}", ${path} .. n, headers) end\n`
  }
  return (
    `${start}local paths = { ${paths.map(lua).join(', ')} }\nlocal made = {}\n` +
    `init = function() for i, path in ipairs(paths) do made[i] = wrk.format("${method}", path, headers) end end\n` +
    'request = function() n = n % #made + 1; return made[n] end\n'
  )
}

function lua(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function readWrk(said: string): Driven {
  const number = (pattern: RegExp): number => Number(pattern.exec(said)?.[1] ?? 0)
  const latency = (percent: number): number => {
    const [, value = 'NaN', unit = ''] = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s)`, 'm').exec(said) ?? []
    return Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1)
  }
  const broken = /connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(said)?.slice(1) ?? []
  return {
    requests: number(/(\d+) requests in/),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50: latency(50),
    p99: latency(99),
    errors: number(/Non-2xx or 3xx responses: (\d+)/) + broken.reduce((sum, count) => sum + Number(count), 0),
  }
}

async function driveOurselves(port: number, load: Load): Promise<Driven> {
  const child = spawnPinned(1, process.execPath, [`${built}/load.mjs`], { stdio: ['pipe', 'pipe', 'inherit'] })
  // Not an argument, which Linux limits to 128 KiB: there may be tens of thousands of paths.
  child.stdin?.end(JSON.stringify({ port, load, call: calls }))
  const [said] = await Promise.all([child.stdout === null ? '' : text(child.stdout), once(child, 'exit')])
  return JSON.parse(said) as Driven
}

function hash(of: string): number {
  let sum = 7
  for (let at = 0; at < of.length; at++) sum = (sum * 31 + of.charCodeAt(at)) >>> 0
  return sum
}
