import { setTimeout as pause } from 'node:timers/promises'
import type { ProcessReport } from '../dashboard/process-report.js'
import type { ShadowReport, VerifyReport } from '../index.js'
import type { Arguments, OptionSpec } from './arguments.js'
import { CommandFailure, UsageError } from './errors.js'
import { isHttpUrl, readFields } from './http-options.js'

/** The options of the commands that ask a dashboard. */
export const DASHBOARD_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  url: { value: 'url', text: 'the address of a dashboard, as http://10.0.0.1:3000/__cache' },
  header: { value: 'name: value', isList: true, text: 'sent with each request, for authorize() of the dashboard' },
}

/** The address of a dashboard, and the header fields that authorize the operator. */
export interface DashboardAddress {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

/** One process of an application, as its dashboard reports it. */
export type ToldProcess = Pick<ProcessReport, 'host' | 'pid' | 'stats'>

/** The report of a cache in the mode `shadow` or `verify`. */
export interface ToldReport<Report> {
  /** The process that has told it. */
  readonly process: string
  readonly report: Report
}

/** One event of a process. */
export interface ToldEvent {
  readonly at: number
  readonly name: string
  readonly text: string
}

/** Maximum time for an answer, in ms; maximum size of an answer, in bytes. */
const TIMEOUT = 10_000
const LARGEST = 64 * 1024 * 1024
/** Pause between the end of a stream of events and the next request for it, in ms. */
const ASK_AGAIN = 1000

/** The dashboard that `--url` and `--header` name; `undefined` without `--url`. @throws UsageError */
export function dashboardAddress(given: Arguments, named?: string): DashboardAddress | undefined {
  const text = named ?? given.text('url')
  if (text === undefined) return undefined
  if (!isHttpUrl(text))
    throw new UsageError(
      `${named === undefined ? '--url' : 'the address'} must be like http://10.0.0.1:3000/__cache, got "${text}"`,
    )
  const url = new URL(text)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return { url, headers: readFields(given) }
}

/** The processes that a dashboard shows. @throws CommandFailure */
export async function dashboardProcesses(
  address: DashboardAddress,
  signal: AbortSignal,
): Promise<readonly ToldProcess[]> {
  const response = await asked(address, 'api/overview', AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]))
  const told = await jsonOf(response).catch(() => undefined)
  const { processes } = Object(told) as { readonly processes?: readonly Partial<ToldProcess>[] }
  if (!Array.isArray(processes)) throw notADashboard(address)
  return processes.filter((one): one is ToldProcess => typeof one?.stats === 'object' && one.stats !== null)
}

/** What the cache of the process that answers would have done. @throws CommandFailure */
export function shadowReport(address: DashboardAddress): Promise<ToldReport<ShadowReport>> {
  return modeReport(address, 'shadow')
}

/** Which hits of the process that answers were compared with their handlers, and how. @throws CommandFailure */
export function verifyReport(address: DashboardAddress): Promise<ToldReport<VerifyReport>> {
  return modeReport(address, 'verify')
}

async function modeReport<Report extends ShadowReport | VerifyReport>(
  address: DashboardAddress,
  mode: 'shadow' | 'verify',
): Promise<ToldReport<Report>> {
  const isOther = `the cache is not in this mode: fallbackCache({ mode: '${mode}' })`
  const response = await asked(address, `api/${mode}`, AbortSignal.timeout(TIMEOUT), isOther)
  const told = await jsonOf(response).catch(() => undefined)
  const { process, report } = Object(told) as Partial<ToldReport<Report>>
  if (typeof process !== 'string' || !Array.isArray(report?.routes)) throw notADashboard(address)
  return { process, report }
}

/** The events of a process as they happen. @throws CommandFailure */
export async function* dashboardEvents(address: DashboardAddress, signal: AbortSignal): AsyncGenerator<ToldEvent> {
  while (!signal.aborted) {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(new Error(`no answer within ${TIMEOUT / 1000} s`)), TIMEOUT)
    const response = await asked(address, 'api/events', AbortSignal.any([signal, late.signal])).finally(() => {
      clearTimeout(timer)
    })
    const answeredAt = performance.now()
    if (response.body === null || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
      throw notADashboard(address)
    }
    // The server ends a stream after ten minutes: it is then requested again.
    yield* eventsIn(response.body, signal)
    const early = answeredAt + ASK_AGAIN - performance.now()
    if (early > 0) await pause(early, undefined, { signal }).catch(() => {})
  }
}

/** @throws Error if the answer is not JSON, or too large */
async function jsonOf({ body }: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > LARGEST) throw new Error('too large')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString())
}

/** Maximum length of a line in a stream of events, in characters: longer lines are cut, to limit memory. */
const LONGEST_LINE = 1_000_000

async function* eventsIn(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<ToldEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = (lines.pop() ?? '').slice(0, LONGEST_LINE)
      for (const line of lines) if (line.startsWith('data:')) yield* eventsOf(line.slice('data:'.length))
    }
  } catch (thrown) {
    if (!signal.aborted) throw new CommandFailure(`the dashboard stopped: ${wordsOf(thrown)}`)
  }
}

function* eventsOf(data: string): Generator<ToldEvent> {
  let told: unknown
  try {
    told = JSON.parse(data)
  } catch {
    return
  }
  const { events } = Object(told) as { readonly events?: unknown }
  for (const event of Array.isArray(told) ? told : Array.isArray(events) ? events : []) {
    const { at, name, text } = Object(event) as Readonly<Record<string, unknown>>
    yield { at: Number(at), name: String(name), text: String(text ?? '') }
  }
}

/** @param ifAbsent - what an answer with 404 means */
async function asked(
  { url, headers }: DashboardAddress,
  path: string,
  signal: AbortSignal,
  ifAbsent?: string,
): Promise<Response> {
  const target = new URL(path, url)
  const response = await fetch(target, { headers, signal, redirect: 'error' }).catch((thrown: unknown) => {
    throw new CommandFailure(`${url.origin}${url.pathname}: ${wordsOf(thrown)}`)
  })
  if (response.ok) return response
  if (response.status === 404 && ifAbsent !== undefined) throw new CommandFailure(ifAbsent)
  const why =
    response.status === 403 || response.status === 401 ? '; does --header give what authorize() asks for?' : ''
  throw new CommandFailure(`${target.origin}${target.pathname} answered with ${response.status}${why}`)
}

/** The message of the cause, because that of `fetch` only says that it failed. */
function wordsOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  return thrown.cause instanceof Error && thrown.cause.message !== '' ? thrown.cause.message : thrown.message
}

function notADashboard({ url }: DashboardAddress): CommandFailure {
  return new CommandFailure(`${url.origin}${url.pathname} is not a dashboard of fallback-cache`)
}
