import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../support/free-port.js'
import { guardDirectory, guardProcess } from '../support/guard.js'
import { until } from '../support/until.js'

/** One series of the result of a query. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>
  /** Seconds, and the value as text. */
  readonly value: readonly [number, string]
}

/** A private Prometheus that scrapes some ports of this machine four times a second and evaluates a file of alert rules. */
export class PrometheusServer {
  readonly #url: string
  readonly #stop: () => Promise<void>

  static async start(binary: string, ports: readonly number[], rules: string): Promise<PrometheusServer> {
    const directory = mkdtempSync(join(tmpdir(), 'fallback-cache-prometheus-'))
    guardDirectory(directory)
    writeFileSync(
      join(directory, 'prometheus.yml'),
      JSON.stringify({
        global: { scrape_interval: '250ms', scrape_timeout: '250ms', evaluation_interval: '1s' },
        rule_files: [rules],
        scrape_configs: [{ job_name: 'shop', static_configs: [{ targets: ports.map((port) => `127.0.0.1:${port}`) }] }],
      }),
    )
    const port = await freePort()
    const child = spawn(
      binary,
      [
        `--config.file=${join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    guardProcess(child)
    let output = ''
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk
    })
    const url = `http://127.0.0.1:${port}`
    await until('Prometheus ready', async () => {
      if (child.exitCode !== null) return 'ended'
      return (await fetch(`${url}/-/ready`)).ok
    })
    if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}:\n${output}`)
    const stop = async (): Promise<void> => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
      rmSync(directory, { recursive: true, force: true })
    }
    return new PrometheusServer(url, stop)
  }

  private constructor(url: string, stop: () => Promise<void>) {
    this.#url = url
    this.#stop = stop
  }

  /** The series that a query gives at this moment. */
  async query(query: string): Promise<readonly Series[]> {
    const { result } = await this.get<{ readonly result: readonly Series[] }>('query', { query })
    return result
  }

  /** The data of an answer of the HTTP API. */
  async get<Data>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Data> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const answer = (await response.json()) as { readonly status: string; readonly error?: string; readonly data: Data }
    if (answer.status !== 'success') throw new Error(`${path} ${JSON.stringify(parameters)}: ${answer.error}`)
    return answer.data
  }

  stop(): Promise<void> {
    return this.#stop()
  }
}
