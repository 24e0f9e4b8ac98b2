import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundled } from '../../scripts/bundled.mjs'
import { guardProcess } from '../support/guard.js'
import type { SoakRecord } from './records.js'
import type { FromProcess, SoakSetup, ToProcess } from './soak-process.js'

/** What stands behind the handlers of all processes: versions that only grow. */
export class Database {
  readonly #versions = new Map<string, number>()

  ask(resources: readonly string[], change: boolean): Readonly<Record<string, number>> {
    const answer: Record<string, number> = {}
    for (const resource of resources) {
      const version = (this.#versions.get(resource) ?? 0) + (change ? 1 : 0)
      this.#versions.set(resource, version)
      answer[resource] = version
    }
    return answer
  }
}

/** One life of a process of the soak test. */
export class SoakWorker {
  readonly name: string
  /** As the process last said; false once it is gone. */
  isConnected = false
  readonly #process: ChildProcess
  readonly #gone: Promise<void>
  #ready: () => void = () => {}
  #isStopped = false

  /** Resolves once it works. @throws Error when it ends instead */
  static async start(setup: SoakSetup, database: Database, records: SoakRecord[]): Promise<SoakWorker> {
    const worker = new SoakWorker(setup, database, records)
    await new Promise<void>((resolve, reject) => {
      worker.#ready = resolve
      void worker.#gone.then(() => reject(new Error(`${setup.name} ended while it started`)))
      worker.#send({ type: 'setup', setup })
    })
    return worker
  }

  private constructor(setup: SoakSetup, database: Database, records: SoakRecord[]) {
    this.name = setup.name
    this.#process = fork(bundled('test/soak/soak-process.ts'), [], {
      execArgv: ['--enable-source-maps'],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    guardProcess(this.#process)
    this.#gone = new Promise((resolve) => this.#process.once('exit', () => resolve()))
    void this.#gone.then(() => {
      this.isConnected = false
    })
    this.#process.on('message', (message: FromProcess) => {
      if (message.type === 'ready') this.#ready()
      else if (message.type === 'connected') this.isConnected = message.isConnected
      else if (message.type === 'stopped') this.#isStopped = true
      else if (message.type === 'records') for (const record of message.records) records.push(record)
      else this.#send({ type: 'answer', id: message.id, versions: database.ask(message.resources, message.change) })
    })
  }

  /** Clients flood it for so many milliseconds. */
  async flood(duration: number): Promise<void> {
    this.#send({ type: 'flood', duration })
    await sleep(duration)
  }

  freeze(): void {
    this.#process.kill('SIGSTOP')
  }

  resume(): void {
    this.#process.kill('SIGCONT')
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#gone
  }

  /** Ends it as an orchestrator does: it may say what it owes. */
  async terminate(): Promise<void> {
    this.#process.kill('SIGTERM')
    await this.#gone
  }

  /** Lets what is under way come to its end. @throws Error when it does not */
  async stop(): Promise<void> {
    this.#send({ type: 'stop' })
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 20_000)
    await this.#gone
    clearTimeout(timer)
    if (!this.#isStopped) throw new Error(`${this.name} did not come to its end`)
  }

  #send(message: ToProcess): void {
    if (this.#process.connected) this.#process.send(message, () => {})
  }
}
