import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** What the apps have counted. */
export interface AppsState {
  /** How often a handler has computed something. */
  readonly handlerRuns: number
  readonly redisHits: number
}

/** The demo's apps in a process of their own, as users would meet them, over the Redis of the caller. */
export class AppsProcess {
  readonly origin: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, origin: string) {
    this.#child = child
    this.origin = origin
    process.once('exit', () => child.kill('SIGKILL'))
  }

  /** Starts it and resolves once it answers. */
  static async start(redisUrl: string): Promise<AppsProcess> {
    const child = fork(process.argv[1] ?? '', ['apps', redisUrl])
    return new AppsProcess(child, await originOf(child))
  }

  /** What its handlers and its Redis have done so far. */
  async state(): Promise<AppsState> {
    return (await fetch(`${this.origin}/demo/state`)).json() as Promise<AppsState>
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }
}

function originOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('message', (origin) => resolve(String(origin)))
    child.once('exit', (code) => reject(new Error(`the apps ended with code ${code}`)))
  })
}
