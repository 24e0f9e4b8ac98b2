import { type ChildProcess, fork } from 'node:child_process'
import { bundled } from '../../scripts/bundled.mjs'
import { guardProcess } from './guard.js'
import type { LoadOptions, LoadReport } from './load.js'
import type { ServeOptions, WorkerMethods, WorkerSetup } from './worker-methods.js'
import type { Answer, Call } from './worker-process.js'

export type { ServeOptions, WorkerSetup }

type Method = keyof WorkerMethods
type Result<M extends Method> = Awaited<ReturnType<WorkerMethods[M]>>

/**
 * A `FallbackCache` in a process of its own (and, after {@link Worker.serve}, an Express app), driven by messages.
 * Several of them on one Redis are what a deployment looks like.
 */
export class Worker {
  readonly #host: Host
  readonly #instance: number

  /** Forks the process and resolves once its cache is constructed; it does not wait for Redis. */
  static async start(setup: WorkerSetup = {}): Promise<Worker> {
    const worker = new Worker(new Host(), 0)
    await worker.call('setup', setup)
    return worker
  }

  private constructor(host: Host, instance: number) {
    this.#host = host
    this.#instance = instance
  }

  /** One more cache, in the process of this one. */
  async sibling(setup: WorkerSetup = {}): Promise<Worker> {
    const worker = new Worker(this.#host, this.#host.nextInstance())
    await worker.call('setup', setup)
    return worker
  }

  get pid(): number {
    return this.#host.pid
  }

  /** Calls a method in the process; rejects with what it threw. */
  async call<M extends Method>(method: M, ...args: Parameters<WorkerMethods[M]>): Promise<Result<M>> {
    return (await this.#host.call(this.#instance, method, args)) as Result<M>
  }

  get(key: string): Promise<unknown> {
    return this.call('get', key)
  }

  /** As `find`: with the tier that answered. */
  find(key: string): Promise<Result<'find'>> {
    return this.call('find', key)
  }

  set(key: string, value: unknown, options?: { ttl?: number; tags?: string[] }): Promise<void> {
    return this.call('set', key, value, options)
  }

  /** `getOrSet` with a handler that gives `value` once {@link open} was called for `gate`, at once without a gate. */
  getOrSet(
    key: string,
    value: unknown,
    options?: { gate?: string; ttl?: number; tags?: string[] },
  ): Promise<{ value: unknown; ran: boolean }> {
    return this.call('getOrSet', key, value, options)
  }

  /** `mark`, then wait for `gate`, then `store`: what a background refresh does. Says whether it was stored. */
  refresh(key: string, value: unknown, options: { gate: string; ttl?: number; tags?: string[] }): Promise<boolean> {
    return this.call('refresh', key, value, options)
  }

  /** Resolves once a caller waits at the gate: the slow handler has started. */
  atGate(gate: string): Promise<void> {
    return this.call('atGate', gate)
  }

  /** Lets everybody through who waits, or will wait, at the gate. */
  open(gate: string): Promise<void> {
    return this.call('open', gate)
  }

  delete(key: string): Promise<boolean> {
    return this.call('delete', key)
  }

  invalidateKey(key: string): Promise<{ durable: boolean }> {
    return this.call('invalidateKey', key)
  }

  invalidatePrefix(prefix: string, options?: { ignoreCase?: boolean }): Promise<{ durable: boolean }> {
    return this.call('invalidatePrefix', prefix, options)
  }

  invalidateTags(...tags: string[]): Promise<{ durable: boolean }> {
    return this.call('invalidateTags', tags)
  }

  clear(): Promise<{ durable: boolean }> {
    return this.call('clear')
  }

  stats(): Promise<Result<'stats'>> {
    return this.call('stats')
  }

  /** The payloads of an event since the start. */
  events(name: Parameters<WorkerMethods['events']>[0]): Promise<unknown[]> {
    return this.call('events', name)
  }

  /** Sends requests to the cache in its own process and reports how long they took. */
  load(options: LoadOptions): Promise<LoadReport> {
    return this.call('load', options)
  }

  /** Starts an Express app with a cached route `/items/:id` over the cache, and gives its URL. */
  serve(options?: ServeOptions): Promise<string> {
    return this.call('serve', options)
  }

  /** Unhandled rejections, uncaught exceptions and warnings of the process since the last call. Must be empty. */
  async troubles(): Promise<string[]> {
    return (await this.#host.call(0, 'troubles', [])) as string[]
  }

  /** Closes the cache as a well-behaved application does; the first cache of a process takes the process with it. */
  async stop(): Promise<void> {
    if (this.#host.ended) return
    await this.call('close').catch(() => {})
    if (this.#instance === 0) await this.kill()
  }

  /** Ends the process at once, without a word (SIGKILL). */
  async kill(): Promise<void> {
    await this.#host.end('SIGKILL')
  }

  /** Asks the process to end (SIGTERM), upon which it closes the cache; resolves when it has ended. */
  async terminate(): Promise<void> {
    await this.#host.end('SIGTERM')
  }

  /** SIGSTOP: a process that the machine does not run for a while. */
  freeze(): void {
    this.#host.signal('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    this.#host.signal('SIGCONT')
  }
}

/** The process, and the calls that it has not answered. */
class Host {
  ended: Error | undefined
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #calls = 0
  #instances = 1

  constructor() {
    this.#process = fork(bundled('test/support/worker-process.ts'), [], {
      execArgv: ['--enable-source-maps', '--expose-gc'],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    guardProcess(this.#process)
    this.#process.on('message', (answer: Answer) => this.#settle(answer))
    this.#process.once('exit', (code, signal) => this.#fail(new Error(`the worker ended: ${signal ?? code}`)))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  nextInstance(): number {
    return this.#instances++
  }

  async call(instance: number, method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.ended) throw this.ended
    const id = ++this.#calls
    const call: Call = { id, instance, method, args }
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#process.send(call, (error) => error && this.#settle({ id, error: error.message }))
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.ended) return
    const gone = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()))
    this.#process.kill(signal)
    await gone
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.error !== undefined) waiting?.reject(new Error(answer.error))
    else waiting?.resolve(answer.value)
  }

  #fail(error: Error): void {
    this.ended = error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
