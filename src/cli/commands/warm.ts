import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import type { Arguments } from '../arguments.js'
import type { Command, Surroundings } from '../command.js'
import { UsageError } from '../errors.js'
import { durationText } from '../figures.js'
import { isHttpUrl, readFields } from '../http-options.js'
import { sitemapUrls } from '../sitemap.js'
import { visible } from '../terminal.js'
import { requestAll, type WarmingCounts, type WarmTarget } from '../warmer.js'

/** `fallback-cache warm`: request URLs, or those of a sitemap, so that they are stored. */
export const warmCommand: Command = {
  synopsis: '<URL> … | --file <file> | --sitemap <URL> [options]',
  description:
    'Requests each URL once, and counts from Cache-Status what was stored, what was stored before, and what was not stored and why. The requests have the header fields of --header, and no others.',
  options: {
    file: { value: 'file', text: 'URLs, or paths for --to, one on each line; - reads standard input' },
    sitemap: { value: 'url', isList: true, text: 'the URLs of a sitemap, and of those that it names' },
    to: { value: 'url', text: 'send all requests there, to one process, with the paths and the Host of the URLs' },
    rate: { value: 'n', text: 'requests in a second. Default: 20' },
    concurrency: { value: 'n', text: 'requests at a time. Default: 4' },
    timeout: { value: 'seconds', text: 'for each answer. Default: 30' },
    header: { value: 'name: value', isList: true, text: 'sent with every request, such as Accept-Encoding: br' },
  },
  arity: [0, 10_000],
  examples: [
    ['A whole site, gently, after a deploy', 'warm --sitemap https://shop.example/sitemap.xml --rate 10'],
    ['The new process, before it gets traffic', 'warm --file urls.txt --to http://10.0.0.4:3000'],
  ],
  failsIf: 'a request failed, or there was nothing to request',
  async run(given, around) {
    const headers = readFields(given)
    const rate = given.number('rate', 20, [0.01, 100_000], false)
    const concurrency = given.number('concurrency', 4, [1, 1000])
    const timeout = given.number('timeout', 30, [0.1, 3600], false) * 1000
    const to = given.text('to')
    if (to !== undefined && !isHttpUrl(to)) throw new UsageError(`--to must be like http://10.0.0.4:3000, got "${to}"`)
    const wanted = await targets(given, to, headers)
    const pace = { rate, concurrency, timeout, headers }
    const { terminal, signal } = around
    const show = (counts: WarmingCounts): void => terminal.progress(progressText(counts, terminal.columns))
    const counts = await requestAll(wanted, pace, signal, throttled(show))
    terminal.progress('')
    await tell(counts, given, around)
    return signal.aborted ? 130 : counts.failed > 0 ? 1 : 0
  },
}

/** The targets that the arguments name. @throws UsageError */
async function targets(
  given: Arguments,
  to: string | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<readonly WarmTarget[]> {
  const named = [...given.positionals, ...(await fileLines(given))]
  for (const sitemap of given.texts('sitemap')) {
    if (!isHttpUrl(sitemap)) throw new UsageError(`--sitemap must be a URL, got "${sitemap}"`)
    for (const url of await sitemapUrls(sitemap, headers)) named.push(url)
  }
  if (named.length === 0) throw new UsageError('nothing to request: give URLs, --file or --sitemap')
  return named.map((text) => targetOf(text, to))
}

/** A URL as it is requested. @throws UsageError */
function targetOf(text: string, to: string | undefined): WarmTarget {
  const isPath = text.startsWith('/') && !text.startsWith('//')
  if (isPath && to !== undefined) return { url: new URL(text, to).href, host: undefined }
  if (!isHttpUrl(text))
    throw new UsageError(`"${text}" is not a URL${isPath ? ': --to says where paths are sent' : ''}`)
  if (to === undefined) return { url: text, host: undefined }
  const { host, pathname, search } = new URL(text)
  return { url: new URL(pathname + search, to).href, host }
}

async function fileLines(given: Arguments): Promise<readonly string[]> {
  const path = given.text('file')
  if (path === undefined) return []
  const text = await (path === '-' ? textOf(process.stdin) : readFile(path, 'utf8')).catch(
    (thrown: NodeJS.ErrnoException) => {
      throw new UsageError(`--file ${path}: ${thrown.code ?? thrown.message}`)
    },
  )
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
}

/** Calls `show` at most every tenth of a second, and at the end. */
function throttled(show: (counts: WarmingCounts) => void): (counts: WarmingCounts) => void {
  let shownAt = Number.NEGATIVE_INFINITY
  return (counts) => {
    const now = performance.now()
    if (now - shownAt < 100 && counts.done < counts.urls) return
    shownAt = now
    show(counts)
  }
}

function progressText({ done, urls, milliseconds, failed }: WarmingCounts, columns: number): string {
  const text = ` ${done}/${urls}  ${((1000 * done) / Math.max(1, milliseconds)).toFixed(1)}/s${failed > 0 ? `  ${failed} failed` : ''}`
  const width = Math.max(0, Math.min(40, columns - text.length - 3))
  const filled = Math.round((width * done) / urls)
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]${text}`
}

async function tell(counts: WarmingCounts, given: Arguments, { terminal }: Surroundings): Promise<void> {
  if (given.has('json')) return terminal.json(counts)
  const { urls, done, hits, stored, notStored, failed, failures, milliseconds } = counts
  const refused = Object.entries(notStored).sort(([, one], [, other]) => other - one)
  const lines = [
    `${done} of ${urls} requests in ${durationText(milliseconds)}: ${stored} stored, ${hits} were stored already, ${failed} failed`,
    ...refused.map(([reason, count]) => `  not stored: ${count} ${reason}`),
    ...failures.map((failure) => `  failed: ${failure}`),
  ]
  await terminal.print(lines.map(visible).join('\n'))
}
