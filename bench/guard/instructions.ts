import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, type RequestOptions, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guardDirectory } from '../../test/support/guard.js'
import { ask, type Asking as Question } from '../ask.js'
import { defaults } from '../candidates/setup.js'
import { Started } from '../started.js'

/** Requests until V8 has compiled what a miss runs through: docs/decisions/094. */
const warmUp = 15_000
const counted = 1000

/** What is asked of a candidate. */
export interface Asking {
  readonly pathOf: (at: number) => string
  /** HEAD and 304: of a page that a GET has stored before; 304 by a client that has the page. @defaultValue GET */
  readonly form?: 'POST' | 'HEAD' | '304' | undefined
}

/**
 * Instructions that a candidate runs in user space for one request once it is warm, as callgrind counts them: the same
 * to within a few hundredths however busy the machine is. Those of the compiler are not counted.
 */
export async function instructionsFor(candidate: string, asking: Asking, node: string, scale: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'fallback-cache-guard-'))
  guardDirectory(directory)
  const out = join(directory, 'callgrind.out')
  // With instruments, warming up would take minutes.
  const valgrind = ['valgrind', '--tool=callgrind', '--instr-atstart=no', `--callgrind-out-file=${out}`]
  // Room without a full collection: one among so few requests is chance, and weighs as much as a fifth of them.
  const space = '--initial-old-space-size=256'
  // One thread, and the same seeds: what is compiled when is then the same in each run.
  const flags = ['--single-threaded', '--predictable-gc-schedule', space, '--hash-seed=1', '--random-seed=1']
  const command = [...valgrind, '--smc-check=all-non-file', node, ...flags]
  const server = await Started.run({ ...defaults, candidate, isBare: true }, command)
  try {
    const { pid } = await server.usage()
    const tell = (what: '--instr=on' | '--dump') =>
      execFileSync('callgrind_control', [what, String(pid)], { stdio: 'ignore' })
    const requests = await askAll(server, asking, scale, () => tell('--instr=on'))
    // The end of the process is no part of a request.
    tell('--dump')
    const profile = readFileSync(`${out}.1`, 'latin1')
    const all = Number(/^(?:summary|totals): (\d+)/m.exec(profile)?.[1] ?? Number.NaN)
    return (all - ofCompiler(profile)) / requests
  } finally {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The functions of V8 that JavaScript calls to have some of it compiled. */
const COMPILES = /^v8::internal::Runtime_(?:Compile|Optimize)/

/** Instructions of a profile that the compiler has run: one function that is compiled late weighs as much as a change. */
function ofCompiler(profile: string): number {
  // A name is written once, with the number by which it is called from there on.
  const compilers = new Set<string>()
  for (const [, number = '', name = ''] of profile.matchAll(/^c?fn=(\(\d+\)) (.+)$/gm))
    if (COMPILES.test(name)) compilers.add(number)
  let sum = 0
  for (const [, number = '', cost] of profile.matchAll(/^cfn=(\(\d+\)).*\ncalls=.*\n\S+ (\d+)$/gm))
    if (compilers.has(number)) sum += Number(cost)
  return sum
}

/** Bytes that a candidate allocates for one request on the heap of V8, whose room for young objects is never full. */
export async function bytesFor(candidate: string, asking: Asking, node: string, scale: number): Promise<number> {
  const flags = ['--min-semi-space-size=256', '--max-semi-space-size=256', '--expose-gc']
  const server = await Started.start(node, { candidate, isBare: true }, ...flags)
  try {
    let before = 0
    const requests = await askAll(server, asking, scale, async () => {
      before = (await server.usage('usage after gc')).heapUsed
    })
    return ((await server.usage()).heapUsed - before) / requests
  } finally {
    await server.stop()
  }
}

/** Asks a candidate until what is hot is compiled, then as often as is counted. Returns how often that is. */
async function askAll(server: Started, asking: Asking, scale: number, begin: () => unknown): Promise<number> {
  const { pathOf, form } = asking
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const question = await questionOf(server, asking)
  const status = form === '304' ? 304 : 200
  const once = (path: string) => asked({ port: server.port, host: '127.0.0.1', path, agent, ...question }, status)
  const [before, requests] = [Math.round(warmUp * scale), Math.round(counted * scale)]
  try {
    for (let at = 0; at < before; at++) await once(pathOf(at))
    await begin()
    for (let at = 0; at < requests; at++) await once(pathOf(before + at))
    return requests
  } finally {
    agent.destroy()
  }
}

async function questionOf(server: Started, { pathOf, form }: Asking): Promise<Question> {
  const headers = { Host: 'bench.test' }
  if (form === undefined) return { headers }
  if (form === 'POST') return { method: form, headers: { ...headers, 'Content-Length': '0' } }
  const { etag = '' } = (await ask(server.port, pathOf(0), { headers })).headers
  return form === 'HEAD' ? { method: form, headers } : { headers: { ...headers, 'If-None-Match': etag } }
}

function asked(of: RequestOptions, status: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(of, (response) => {
      if (response.statusCode !== status) reject(new Error(`${of.path} was answered with ${response.statusCode}`))
      response.resume().on('end', resolve).on('error', reject)
    })
    outgoing.on('error', reject).end()
  })
}
