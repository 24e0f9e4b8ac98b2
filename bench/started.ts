import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { guardProcess } from '../test/support/guard.js'
import { type Answer, ask } from './ask.js'
import { programsOf } from './build.js'
import { defaults, type Setup } from './candidates/setup.js'
import { spawnPinned } from './pinned.js'
import type { Question, Server, Usage } from './server.js'

/** A candidate in a Node process of its own. */
export class Started implements Server {
  readonly port: number
  readonly setup: Setup
  readonly #process: ChildProcess

  /** Starts a candidate and waits until it listens. */
  static async start(
    node: string,
    given: Partial<Setup> & Pick<Setup, 'candidate'>,
    ...flags: readonly string[]
  ): Promise<Started> {
    const setup = { ...defaults, ...given }
    return Started.run(setup, [node, ...flags])
  }

  /** Starts it behind any command that runs node. */
  static async run(setup: Setup, [command = '', ...args]: readonly string[]): Promise<Started> {
    const child = spawnPinned(
      0,
      command,
      [...args, `${programsOf(setup.isBefore)}/candidate.mjs`, JSON.stringify(setup)],
      {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    )
    guardProcess(child)
    let said = ''
    child.stderr?.on('data', (text: Buffer) => {
      said = (said + text).slice(-4000)
    })
    const gone = once(child, 'exit').then(() => {
      throw new Error(reasonIn(said))
    })
    const [message] = await Promise.race([once(child, 'message'), gone])
    gone.catch(() => {})
    return new Started(setup, (message as { port: number }).port, child)
  }

  private constructor(setup: Setup, port: number, child: ChildProcess) {
    this.port = port
    this.setup = setup
    this.#process = child
  }

  get name(): string {
    return this.setup.candidate
  }

  readonly usage = async (question: Question = 'usage'): Promise<Usage> => {
    const answered = once(this.#process, 'message')
    this.#process.send(question)
    const [usage] = await answered
    return usage as Usage
  }

  /** One GET over a connection of its own. */
  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return ask(this.port, path, { headers })
  }

  /** Lets it end by itself. */
  async end(): Promise<void> {
    const gone = once(this.#process, 'exit')
    this.#process.disconnect()
    await gone
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }
}

/** The line of a stack trace that says what it is about. */
function reasonIn(said: string): string {
  const lines = said.split('\n').map((line) => line.trim())
  return lines.find((line) => /^\w*Error\b.*:/.test(line)) ?? `it ended: ${lines.slice(-5).join(' ')}`
}
