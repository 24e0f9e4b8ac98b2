import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, type RequestOptions, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guardDirectory } from '../../test/support/guard.js'
import { defaults } from '../candidates/setup.js'
import { Started } from '../started.js'

/** Requests until what is hot is compiled, and as many more as are counted. */
const warmUp = 1000
const counted = 1000

/** What is asked of a candidate. */
interface Asking {
  readonly pathOf: (at: number) => string
  /** @defaultValue GET */
  readonly method?: 'POST' | undefined
}

/**
 * Instructions that a candidate runs in user space for one request, as callgrind counts them, without its start: the same
 * to within a few hundredths however busy the machine is.
 */
export async function instructionsFor(
  candidate: string,
  { pathOf, method }: Asking,
  node: string,
  scale: number,
): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'fallback-cache-guard-'))
  guardDirectory(directory)
  const out = join(directory, 'callgrind.out')
  const valgrind = ['valgrind', '--tool=callgrind', `--callgrind-out-file=${out}`, '--smc-check=all-non-file']
  // The candidate calls it when it is told to begin: the only way to tell callgrind from within node.
  const zero = `--zero-before=${beginning}`
  // One thread, and the same seeds: what is compiled when is then the same in each run.
  const flags = ['--single-threaded', '--predictable-gc-schedule', '--hash-seed=1', '--random-seed=1']
  const server = await Started.run({ ...defaults, candidate, isBare: true }, [...valgrind, zero, node, ...flags])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (path: string) => asked({ port: server.port, host: '127.0.0.1', path, agent, method })
  const [before, requests] = [Math.round(warmUp * scale), Math.round(counted * scale)]
  try {
    for (let at = 0; at < before; at++) await ask(pathOf(at))
    await server.usage('begin counting')
    for (let at = 0; at < requests; at++) await ask(pathOf(before + at))
    await server.end()
    return Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(out, 'utf8'))?.[1] ?? Number.NaN) / requests
  } finally {
    agent.destroy()
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What os.getPriority calls. */
const beginning = 'uv_os_getpriority'

function asked(of: RequestOptions): Promise<void> {
  const content = of.method === 'POST' ? { 'Content-Length': '0' } : {}
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...of, headers: { Host: 'bench.test', ...content } }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${of.path} was answered with ${response.statusCode}`))
      response.resume().on('end', resolve).on('error', reject)
    })
    outgoing.on('error', reject).end()
  })
}
