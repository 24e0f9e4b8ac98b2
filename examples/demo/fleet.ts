import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createProxyServer } from 'httpxy'
import type { AppReport, Told } from './app-process.js'
import type { Database } from './database.js'
import { keepAliveAgent } from './request.js'

interface FleetEvents {
  /** The state of a process has changed. */
  report: [name: string]
  /** A process uses Redis again, after it has sent so many invalidations. */
  recovered: [replayed: number]
  /** A process has ended by itself. */
  lost: [name: string]
}

interface Member {
  readonly child: ChildProcess
  report: AppReport
}

const UNKNOWN: AppReport = { runs: 0, breaker: 'closed', connected: false }

/** The processes of the apps: starts them, passes requests on to them, and knows how they are. */
export class Fleet extends EventEmitter<FleetEvents> {
  readonly names: readonly string[] = ['express-1', 'express-2', 'koa-1', 'koa-2']
  /** By the name of the process, what takes a request; a process that has ended is not in it. */
  readonly apps = new Map<string, RequestListener>()
  readonly #members = new Map<string, Member>()
  readonly #agent = keepAliveAgent(64)
  #isStopping = false

  /** Resolves as soon as all of them answer. */
  async start(database: Database, redisUrl = ''): Promise<void> {
    await Promise.all(this.names.map((name) => this.#startOne(name, database.folder, redisUrl)))
  }

  /** The last report of each process that runs. */
  get reports(): ReadonlyMap<string, AppReport> {
    return new Map([...this.#members].map(([name, { report }]) => [name, report]))
  }

  /** Clears the cache in all of them, since without Redis each has its own; true when that is durable. */
  async clear(): Promise<boolean> {
    const cleared = [...this.#members.values()].map(async ({ child }) => {
      const told = waitFor(child, 'cleared')
      child.send('clear')
      return (await told).durable
    })
    return (await Promise.all(cleared)).every((durable) => durable)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const running = [...this.#members.values()].filter(({ child }) => child.exitCode === null)
    this.#agent.destroy()
    await Promise.all(
      running.map(async ({ child }) => {
        const gone = once(child, 'exit')
        if (child.connected) child.disconnect()
        await gone
      }),
    )
  }

  async #startOne(name: string, folder: string, redisUrl: string): Promise<void> {
    const child = fork(process.argv[1] ?? '', ['app', name, folder, redisUrl])
    const member: Member = { child, report: UNKNOWN }
    this.#members.set(name, member)
    child.once('exit', () => this.#ended(name))
    child.on('message', (told: Told) => {
      if (told.kind === 'recovered') this.emit('recovered', told.replayed)
      if (told.kind !== 'report') return
      const { report: last } = member
      member.report = told.report
      if (last.breaker !== told.report.breaker || last.connected !== told.report.connected) this.emit('report', name)
    })
    const { port } = await waitFor(child, 'ready')
    this.apps.set(name, this.#passOnTo(port))
  }

  #passOnTo(port: number): RequestListener {
    const proxy = createProxyServer({ target: `http://127.0.0.1:${port}`, agent: this.#agent })
    return (req, res) => {
      proxy.web(req, res).catch((error) => {
        if (!res.headersSent) res.writeHead(502)
        res.end(String(error))
      })
    }
  }

  #ended(name: string): void {
    this.#members.delete(name)
    this.apps.delete(name)
    if (!this.#isStopping) this.emit('lost', name)
  }
}

/** The next message of a kind; it rejects when the process ends instead. */
function waitFor<Kind extends Told['kind']>(child: ChildProcess, kind: Kind): Promise<Extract<Told, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('a process of the demo has ended'))
    child.once('exit', ended)
    child.on('message', function listen(told: Told) {
      if (told.kind !== kind) return
      child.off('message', listen)
      child.off('exit', ended)
      resolve(told as Extract<Told, { kind: Kind }>)
    })
  })
}
