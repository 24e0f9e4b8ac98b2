import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { DemoState } from '../demo.js'

/** Few enough that one page being made does not keep all others waiting, which would say nothing of the cache. */
const PLACES = 15_000

/** The demo's apps in a process of their own, as users would meet them, over the Redis of the caller. */
export class AppsProcess {
  readonly origin: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, origin: string) {
    this.#child = child
    this.origin = origin
    process.once('exit', () => child.kill('SIGKILL'))
  }

  /** Starts it and resolves once it said where it listens. */
  static async start(redisUrl: string): Promise<AppsProcess> {
    const server = fileURLToPath(new URL('../server.ts', import.meta.url))
    const child = spawn(process.execPath, [...process.execArgv, server], {
      env: {
        ...process.env,
        ...{ PORT: '0', HOST: '127.0.0.1', DEMO_REDIS_URL: redisUrl, DEMO_LOAD: 'off', DEMO_PLACES: String(PLACES) },
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return new AppsProcess(child, await printedOrigin(child))
  }

  /** What the demo knows of itself. */
  async state(): Promise<DemoState> {
    return (await fetch(`${this.origin}/demo/state`)).json() as Promise<DemoState>
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await gone
  }
}

function printedOrigin(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout?.on('data', (chunk) => {
      said += chunk
      const origin = /http:\/\/\S+/.exec(said)?.[0]
      if (origin !== undefined) resolve(origin)
    })
    child.once('exit', (code) => reject(new Error(`the apps ended with code ${code}: ${said}`)))
  })
}
