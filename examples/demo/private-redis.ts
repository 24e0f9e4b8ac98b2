import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** What happens to the server at the moment. */
export type RedisState = 'up' | 'frozen' | 'down'

const NAMES = ['redis-server', 'valkey-server']
const MOST_ATTEMPTS = 5
const MORE_FOLDERS = ['/usr/local/bin', '/opt/homebrew/bin', '/usr/bin']

/**
 * The path of a redis-server: what REDIS_SERVER_BIN says, else redis-server or valkey-server where programs lie; undefined when
 * there is none, or when SKIP_REDIS=1 wants none.
 */
export function findRedisServer(): string | undefined {
  if (process.env.SKIP_REDIS === '1') return undefined
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...MORE_FOLDERS]
  const places = process.env.REDIS_SERVER_BIN
    ? [process.env.REDIS_SERVER_BIN]
    : folders.flatMap((folder) => NAMES.map((name) => join(folder, name)))
  return places.find(isExecutable)
}

/** A redis-server of our own on a free port of this machine, to be killed and frozen at will. It writes every command to disk, so that it can come back with its old data. */
export class PrivateRedis {
  readonly url: string
  readonly #binary: string
  readonly #port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'fallback-cache-demo-'))
  #child: ChildProcess | undefined
  #state: RedisState = 'down'

  private constructor(binary: string, port: number) {
    this.#binary = binary
    this.#port = port
    this.url = `redis://127.0.0.1:${port}`
    process.once('exit', () => this.#cleanUp())
  }

  /** Starts one and resolves when it answers. Another program may take the port before it does: then on another one. */
  static async start(binary: string): Promise<PrivateRedis> {
    for (let attempt = 1; ; attempt++) {
      const redis = new PrivateRedis(binary, await freePort())
      try {
        await redis.restart()
        return redis
      } catch (error) {
        await redis.stop()
        if (attempt === MOST_ATTEMPTS) throw error
      }
    }
  }

  get state(): RedisState {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** SIGKILL: connections break, nothing is said. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    this.#state = 'down'
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** SIGSTOP: connections stay open, and nothing answers any more. The nastiest of outages. */
  freeze(): void {
    if (this.#state !== 'up') return
    this.#child?.kill('SIGSTOP')
    this.#state = 'frozen'
  }

  /** SIGCONT: it goes on where it stood, with all that it held. */
  resume(): void {
    if (this.#state !== 'frozen') return
    this.#child?.kill('SIGCONT')
    this.#state = 'up'
  }

  /** Kills it if need be and starts it on the same port, with its old data or with nothing. */
  async restart({ empty = true } = {}): Promise<void> {
    await this.kill()
    if (empty) rmSync(join(this.#folder, 'appendonlydir'), { recursive: true, force: true })
    if (empty) rmSync(join(this.#folder, 'appendonly.aof'), { force: true })
    const child = spawn(this.#binary, [
      ...['--port', String(this.#port), '--bind', '127.0.0.1', '--dir', this.#folder],
      ...['--save', '', '--appendonly', 'yes', '--appendfsync', 'no', '--daemonize', 'no'],
    ])
    this.#child = child
    endWithThisProcess(child)
    child.once('exit', () => {
      if (this.#child !== child) return
      this.#child = undefined
      this.#state = 'down'
    })
    await ready(child)
    this.#state = 'up'
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    await this.kill()
    this.#cleanUp()
  }

  #cleanUp(): void {
    this.#child?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The end of this process, by SIGKILL too, ends the server: a shell waits for the end of its standard input. */
function endWithThisProcess(child: ChildProcess): void {
  const script = 'read -r _; kill -9 "$0"'
  const watch = spawn('sh', ['-c', script, String(child.pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watch.on('error', () => {})
  child.once('exit', () => watch.kill('SIGKILL'))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port to be had')
  return address.port
}

/** Resolves when the server says that it accepts connections, rejects with what it said when it ends before. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout?.on('data', (chunk) => {
      said += chunk
      if (/ready to accept connections/i.test(said)) resolve()
      if (said.length > 65_536) said = said.slice(-1024)
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`the redis-server did not start: ${said.slice(-400)}`)))
  })
}
