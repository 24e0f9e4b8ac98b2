import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { built } from './build.js'
import type { Usage } from './candidate.js'
import type { Setup } from './candidates/setup.js'
import { pageOf } from './page.js'
import { spawnPinned } from './pinned.js'

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** A candidate in a process of its own. */
export class Started {
  readonly name: string
  readonly port: number
  readonly #setup: Setup
  readonly #process: ChildProcess

  /** Starts a candidate and waits until it listens. */
  static async start(node: string, setup: Setup, ...flags: readonly string[]): Promise<Started> {
    const child = spawnPinned(0, node, [...flags, `${built}/candidate.mjs`, JSON.stringify(setup)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let said = ''
    child.stderr?.on('data', (text: Buffer) => {
      said = (said + text).slice(-2000)
    })
    const gone = once(child, 'exit').then(() => {
      throw new Error(`${setup.candidate} did not start: ${said}`)
    })
    const [message] = await Promise.race([once(child, 'message'), gone])
    gone.catch(() => {})
    return new Started(setup, (message as { port: number }).port, child)
  }

  private constructor(setup: Setup, port: number, child: ChildProcess) {
    this.name = setup.candidate
    this.port = port
    this.#setup = setup
    this.#process = child
  }

  async usage(message: 'usage' | 'usage after gc' = 'usage'): Promise<Usage> {
    const answered = once(this.#process, 'message')
    this.#process.send(message)
    const [usage] = await answered
    return usage as Usage
  }

  /** One GET over a connection of its own. */
  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      get({ port: this.port, host: '127.0.0.1', path, headers, agent: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
        })
      }).on('error', reject)
    })
  }

  /**
   * Whether the answers are right: status, type and body, and the second one without the handler where there is a cache.
   *
   * @returns what is wrong; `undefined`: nothing
   */
  async fault(): Promise<string | undefined> {
    const id = `check-${this.#setup.size}`
    const expected = JSON.stringify(pageOf(id, this.#setup.size))
    for (const time of ['first', 'second']) {
      const { status, headers, body } = await this.get(`/page/${id}`)
      if (status !== 200) return `the ${time} answer has status ${status}`
      if (body !== expected) return `the ${time} answer has another body`
      if (!String(headers['content-type']).startsWith('application/json')) return `the ${time} answer has no type`
      // Where storing is not waited for.
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    const { runs } = await this.usage()
    const expectedRuns = this.name === 'raw' ? 0 : this.name.endsWith('uncached') ? 2 : 1
    return runs === expectedRuns ? undefined : `the handler ran ${runs} times for two requests`
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }
}
