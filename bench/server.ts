import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './ask.js'
import { fieldsOf, type Setup } from './candidates/setup.js'
import { pageOf } from './page.js'

/** What can be asked of a server under measurement. */
export type Question = 'usage' | 'usage after gc' | 'watch delay'

/** What a server under measurement has used. */
export interface Usage {
  readonly pid: number
  /**
   * Microseconds of processor time, user and system, for one request: one figure for each tenth of a second since it was
   * last asked. Nothing for a server that counts no requests.
   */
  readonly cpu: readonly number[]
  /** Microseconds of processor time, user and system, since its start. */
  readonly totalCpu: number
  /** Microseconds that its thread has spent collecting garbage since its start; `undefined` for what is no Node. */
  readonly gcTime: number | undefined
  /** Pages of memory that the kernel had to give it since its start; `undefined` for what is no Node. */
  readonly pageFaults: number | undefined
  /** Bytes. */
  readonly rss: number
  /** Bytes of the heap of V8 that are in use, garbage included; `NaN` for what is no Node. */
  readonly heapUsed: number
  /** Bytes that the candidate says its memory holds. */
  readonly memoryBytes: number | undefined
  /** How often the handler ran. */
  readonly runs: number
  /** The 99th percentile of the delay of the event loop, ms, where it is watched. */
  readonly delayP99: number | undefined
}

/** A server in processes of its own, on the core of servers. */
export interface Server {
  readonly name: string
  readonly port: number
  readonly setup: Setup
  usage(question?: Question): Promise<Usage>
  stop(): Promise<void>
}

/**
 * Whether the answers are right: status, type, fields and body, and the second one without the handler where there is a
 * cache.
 *
 * @returns what is wrong; `undefined`: nothing
 */
export async function faultOf({ port, setup, usage }: Server, expectedRuns: number): Promise<string | undefined> {
  const id = `check-${setup.size}`
  const expected = JSON.stringify(pageOf(id, setup.size))
  const before = (await usage()).runs
  for (const time of ['first', 'second']) {
    const { status, headers, body } = await ask(port, `/page/${id}`)
    if (status !== 200) return `the ${time} answer has status ${status}`
    if (body.toString() !== expected) return `the ${time} answer has another body`
    if (!String(headers['content-type']).startsWith('application/json')) return `the ${time} answer has no type`
    const lost = fieldsOf(setup.fields).find(([name, value]) => headers[name.toLowerCase()] !== value)
    if (lost !== undefined) return `the ${time} answer has no ${lost[0]}`
    // Where storing is not waited for.
    if (time === 'first') await sleep(250)
  }
  const runs = (await usage()).runs - before
  return runs === expectedRuns ? undefined : `the handler ran ${runs} times for two requests`
}
