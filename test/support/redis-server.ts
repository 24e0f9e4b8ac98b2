import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { leastRules } from '../../scripts/redis-commands.mjs'
import { findRedisServer } from './find-redis-server.js'
import { freePort } from './free-port.js'
import { guardDirectory, guardProcess } from './guard.js'

/** How a private server is started. */
export interface RedisServerOptions {
  /** Further arguments in the form of the command line, such as `['--maxmemory', '1mb']`. @defaultValue none */
  readonly args?: readonly string[]
  /** The TCP port. @defaultValue a free one */
  readonly port?: number
  /** Lines of a configuration file in the server's directory; the server may rewrite it. @defaultValue no file */
  readonly config?: (port: number) => readonly string[]
  /** `'sentinel'` runs the binary as a Sentinel. @defaultValue 'server' */
  readonly role?: 'server' | 'sentinel'
  /** User name and password for {@link RedisServer.command}. @defaultValue none */
  readonly login?: { readonly username?: string; readonly password: string }
}

/** With `REDIS_ACL=least`, the user of the tests themselves, of replicas and of Sentinels. */
const ADMIN = { username: 'admin', password: 'admin' }

/** Arguments of MIGRATE by which a server logs in to another. */
export function migrateLogin(): readonly string[] {
  return process.env.REDIS_ACL === 'least' ? ['AUTH2', ADMIN.username, ADMIN.password] : []
}

/** What a cluster client needs for itself, as docs/redis.md says. */
const CLUSTER_CLIENT = '+cluster|info +cluster|slots +cluster|shards +cluster|nodes +asking +readonly +info +client'

/** Lines of a Sentinel's configuration by which it logs in to the servers of a master. */
export function sentinelLogin(master: string): readonly string[] {
  if (process.env.REDIS_ACL !== 'least') return []
  return [`sentinel auth-user ${master} ${ADMIN.username}`, `sentinel auth-pass ${master} ${ADMIN.password}`]
}

/**
 * A private redis-server process on 127.0.0.1, without persistence, which can be killed, frozen and restarted empty.
 * It never outlives the test process.
 */
export class RedisServer {
  readonly port: number
  readonly directory: string
  readonly #options: RedisServerOptions
  #process: ChildProcess | undefined
  #client: Redis | undefined
  #output = ''
  #frozen = false
  #args: readonly string[]

  /** Starts a server and resolves once it answers. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const server = new RedisServer(options, options.port ?? (await freePort()))
      try {
        await server.#launch()
        return server
      } catch (error) {
        await server.stop()
        // Between finding a free port and binding it, another process may have taken it.
        if (options.port !== undefined || attempt === 5 || !/Address already in use|bind/.test(String(error)))
          throw error
      }
    }
  }

  private constructor(options: RedisServerOptions, port: number) {
    this.#options = options
    this.#args = options.args ?? []
    this.port = port
    this.directory = mkdtempSync(join(tmpdir(), 'fallback-cache-redis-'))
    guardDirectory(this.directory)
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** The process id of the running server. */
  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error(`the server on port ${this.port} is not running`)
    return pid
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  /** True between {@link freeze} and {@link resume}. */
  get frozen(): boolean {
    return this.#frozen
  }

  /** SIGKILL; resolves once the process is gone. Does nothing when it already is. */
  async kill(): Promise<void> {
    const child = this.#process
    if (!child) return
    this.#process = undefined
    await this.#endClient()
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    // Nothing else goes on, so no test waits for the end of it.
    child.ref()
    child.kill('SIGKILL')
    await gone
  }

  /** SIGSTOP: connections stay open, the kernel still accepts new ones, nothing is answered. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP')
    this.#frozen = true
  }

  /** SIGCONT: goes on where it stopped, and answers what piled up. */
  resume(): void {
    process.kill(this.pid, 'SIGCONT')
    this.#frozen = false
  }

  /** Kills it if it runs, and starts an empty one on the same port; resolves once that answers. */
  async restart(args: readonly string[] = this.#options.args ?? []): Promise<void> {
    await this.kill()
    await this.#launch(args)
  }

  /** Starts it on the same port without waiting for an answer, for a start that is slow on purpose. */
  launchInBackground(args: readonly string[] = this.#options.args ?? []): void {
    this.#spawn(args)
  }

  /** Kills it and removes its directory. */
  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Runs one command on a plain connection of its own, such as `command('SET', 'k', 'v')`. */
  async command(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return await this.client.call(name, ...args)
  }

  /** What {@link command} gives, with bulk strings as Buffers. */
  async commandBuffer(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return await this.client.callBuffer(name, ...args)
  }

  /** The plain ioredis client behind {@link command}; it connects on first use. */
  get client(): Redis {
    this.#client ??= this.#connect()
    return this.#client
  }

  /** How often each command was called since the start or `CONFIG RESETSTAT` (`INFO commandstats`), by lower-case name. */
  async commandCounts(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const line of String(await this.command('INFO', 'commandstats')).split('\r\n')) {
      const match = /^cmdstat_([^:]+):calls=(\d+)/.exec(line)
      if (match?.[1] && match[2]) counts[match[1]] = Number(match[2])
    }
    return counts
  }

  #connect(): Redis {
    const client = new Redis({
      host: '127.0.0.1',
      port: this.port,
      protocol: 2,
      enableReadyCheck: false,
      retryStrategy: () => 50,
      ...(this.#isRestricted ? ADMIN : this.#options.login),
    })
    client.on('error', () => {})
    return client
  }

  async #endClient(): Promise<void> {
    this.#client?.disconnect()
    this.#client = undefined
  }

  async #launch(args: readonly string[] = this.#options.args ?? []): Promise<void> {
    const child = this.#spawn(args)
    const deadline = Date.now() + 20_000
    while (!/Ready to accept connections|Running mode=sentinel|monitor master|Sentinel ID is/i.test(this.#output)) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`redis-server ended while starting:\n${this.#output}`)
      if (Date.now() > deadline)
        throw new Error(`redis-server on port ${this.port} does not get ready:\n${this.#output}`)
      await sleep(3)
    }
  }

  #spawn(args: readonly string[]): ChildProcess {
    this.#output = ''
    this.#args = args
    const child = spawn(findRedisServer(), this.#arguments(args), {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: this.directory,
    })
    this.#process = child
    this.#frozen = false
    guardProcess(child)
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-20_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => keep(Buffer.from(String(error))))
    child.once('exit', () => {
      if (this.#process === child) this.#process = undefined
    })
    child.unref()
    return child
  }

  /** With `REDIS_ACL=least`, clients without a login have no more than the permissions in docs/redis.md. */
  get #isRestricted(): boolean {
    const { config, role, login } = this.#options
    const isPlain = config === undefined && role === undefined && login === undefined
    return process.env.REDIS_ACL === 'least' && isPlain && !this.#args.includes('--requirepass')
  }

  #arguments(args: readonly string[]): string[] {
    const { config, role } = this.#options
    const common = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory, '--loglevel', 'notice']
    const file = join(this.directory, 'redis.conf')
    if (config) writeFileSync(file, `${config(this.port).join('\n')}\n`)
    const rest = role === 'sentinel' ? ['--sentinel'] : ['--save', '', '--appendonly', 'no']
    const acl = this.#isRestricted ? restricted(args.includes('--cluster-enabled')) : []
    return [...(config ? [file] : []), ...common, ...rest, ...acl, ...args]
  }
}

/** Arguments for a default user with the least permissions, and for the one of the tests. */
function restricted(isCluster: boolean): string[] {
  const rules = isCluster ? `${leastRules('', 'nopass')} ${CLUSTER_CLIENT}` : leastRules('', 'nopass')
  const users = [`${ADMIN.username} on >${ADMIN.password} ~* &* +@all`, `default ${rules}`]
  const replication = ['--masteruser', ADMIN.username, '--masterauth', ADMIN.password]
  return [...users.flatMap((user) => ['--user', ...user.split(' ')]), ...replication]
}
