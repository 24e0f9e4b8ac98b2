import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../test/support/free-port.js'
import { guardDirectory, guardProcess } from '../test/support/guard.js'
import { ask } from './ask.js'
import type { Setup } from './candidates/setup.js'
import { has, spawnPinned } from './pinned.js'
import { cpuOf, processesOf } from './processor-time.js'
import type { Server, Usage } from './server.js'
import { Started } from './started.js'

/** A cache that is no Node process: its command, and what it is started with. */
interface Kind {
  readonly command: string
  args(directory: string, port: number, origin: number): readonly string[]
}

const kinds: Readonly<Record<string, Kind>> = {
  nginx: {
    command: 'nginx',
    args: (directory, port, origin) => {
      const file = join(directory, 'nginx.conf')
      writeFileSync(file, nginxConfiguration(directory, port, origin))
      return ['-e', join(directory, 'error.log'), '-p', directory, '-c', file]
    },
  },
  varnish: {
    command: 'varnishd',
    args: (directory, port, origin) => [
      ...['-F', '-j', 'none', '-n', join(directory, 'varnish'), '-a', `127.0.0.1:${port}`, '-T', 'none'],
      ...['-b', `127.0.0.1:${origin}`, '-s', 'malloc,256m', '-p', 'thread_pools=1', '-p', 'thread_pool_min=10'],
    ],
  },
}

/** Whether a name is that of such a cache. */
export function isProxy(name: string): boolean {
  return kinds[name] !== undefined
}

/** nginx or Varnish, in front of the handler in a Node process. */
export class CachingProxy implements Server {
  readonly port: number
  readonly setup: Setup
  readonly #directory: string
  readonly #process: ChildProcess
  readonly #origin: Started

  /** Starts one and waits until it answers. */
  static async start(node: string, setup: Setup): Promise<CachingProxy> {
    const kind = kinds[setup.candidate]
    if (kind === undefined) throw new Error(`no proxy is called ${setup.candidate}`)
    if (!has(kind.command)) throw new Error(`${kind.command} is not installed`)
    const origin = await Started.start(node, { ...setup, candidate: 'origin' })
    const port = await freePort()
    const directory = mkdtempSync(join(tmpdir(), `fallback-cache-${setup.candidate}-`))
    guardDirectory(directory)
    const child = spawnPinned(0, kind.command, kind.args(directory, port, origin.port), {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: directory,
    })
    guardProcess(child)
    let said = ''
    child.stderr?.on('data', (text: Buffer) => {
      said = (said + text).slice(-500)
    })
    const proxy = new CachingProxy(setup, port, directory, child, origin)
    for (const deadline = Date.now() + 40_000; !(await answers(port)); await sleep(50)) {
      if (child.exitCode === null && Date.now() < deadline) continue
      await proxy.stop()
      throw new Error(`it did not start: ${said.trim().replaceAll(/\s+/g, ' ')}`)
    }
    return proxy
  }

  private constructor(setup: Setup, port: number, directory: string, child: ChildProcess, origin: Started) {
    this.setup = setup
    this.port = port
    this.#directory = directory
    this.#process = child
    this.#origin = origin
  }

  get name(): string {
    return this.setup.candidate
  }

  readonly usage = async (): Promise<Usage> => {
    const { runs } = await this.#origin.usage()
    const pid = this.#process.pid ?? 0
    const { cpu, rss } = cpuOf(processesOf(pid))
    return {
      pid,
      cpu: [],
      totalCpu: cpu,
      gcTime: undefined,
      pageFaults: undefined,
      rss,
      heapUsed: Number.NaN,
      memoryBytes: undefined,
      runs,
      delayP99: undefined,
    }
  }

  async stop(): Promise<void> {
    await this.#origin.stop()
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const workers = processesOf(this.#process.pid ?? 0).slice(1)
      const gone = once(this.#process, 'exit')
      // A parent that is killed would leave its worker alone.
      this.#process.kill('SIGTERM')
      const isGone = await Promise.race([gone.then(() => true), sleep(3000, false)])
      if (!isGone) for (const pid of [this.#process.pid ?? 0, ...workers]) kill(pid)
      await gone
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** One process, which is the worker; no limit of requests on a connection, and no log. */
function nginxConfiguration(directory: string, port: number, origin: number): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${directory}/${name};`,
  )
  return `daemon off;
master_process off;
pid ${directory}/pid;
events { worker_connections 1024; }
http {
${paths.join('\n')}
  access_log off;
  keepalive_requests 100000000;
  proxy_cache_path ${directory}/cache levels=1:2 keys_zone=pages:64m max_size=1g inactive=1h;
  upstream origin { server 127.0.0.1:${origin}; keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache pages;
      proxy_cache_lock on;
    }
  }
}
`
}

async function answers(port: number): Promise<boolean> {
  return ask(port, '/page/ready').then(
    ({ status }) => status < 500,
    () => false,
  )
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}
