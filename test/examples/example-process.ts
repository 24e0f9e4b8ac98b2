import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { bundled } from '../../scripts/bundled.mjs'
import { guardProcess } from '../support/guard.js'
import { until } from '../support/until.js'

/** How an example ended, and all that it printed. */
export interface Ended {
  readonly code: number | null
  readonly output: string
}

/** An example of the `examples` folder. */
export class ExampleProcess {
  readonly #child: ChildProcess
  #output = ''

  constructor(file: string, env: NodeJS.ProcessEnv = {}, args: readonly string[] = []) {
    const path = `examples/${file}`
    // The README says tsx, which takes most of the time that an example needs to start.
    this.#child = spawn(process.execPath, ['--enable-source-maps', bundled(path), ...args], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    guardProcess(this.#child)
    const keep = (chunk: Buffer) => {
      this.#output += chunk
    }
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
  }

  get output(): string {
    return this.#output
  }

  /** What a pattern finds in the output, as soon as it is there. */
  async printed(pattern: RegExp, timeout = 20_000): Promise<string> {
    const asked = () => {
      if (this.#child.exitCode !== null) return pattern.exec(this.#output) ?? 'ended'
      return pattern.exec(this.#output) ?? undefined
    }
    const found = await until(`${pattern} printed by the example`, asked, { timeout })
    if (found === 'ended') throw new Error(`the example ended: ${this.#output}`)
    return found[0] ?? ''
  }

  /** Its exit code and output, once it has ended by itself. */
  async ended(): Promise<Ended> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await new Promise((resolve) => this.#child.once('close', resolve))
    }
    return { code: this.#child.exitCode, output: this.#output }
  }

  /** Asks it to end, as Ctrl-C does. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.#child.kill(signal)
    return this.ended()
  }
}
