import type { ShadowFigures, ShadowReport, ShadowRoute } from '../../index.js'
import type { Arguments } from '../arguments.js'
import type { Command, Surroundings } from '../command.js'
import { answersText, type DifferenceWords, routeName, tellDifferences } from '../compared-answers.js'
import { DASHBOARD_OPTIONS, dashboardAddress, shadowReport, type ToldReport } from '../dashboard-client.js'
import { UsageError } from '../errors.js'
import { bytesText, durationText, tableLines } from '../figures.js'
import { visible } from '../terminal.js'
import { shareText } from '../traffic.js'

/** Routes and reasons that are printed. */
const MOST_SHOWN = 20

const { header } = DASHBOARD_OPTIONS

export const shadowCommand: Command = {
  synopsis: '<url of a dashboard> [options]',
  description:
    "Prints what a cache in shadow mode (mode: 'shadow') would have done for the requests of the process that answers: hits by route and by size of memory, handler time saved, what would not have been stored and the remedy, answers that would have been stale or another visitor's.",
  options: header === undefined ? {} : { header },
  arity: [1, 1],
  examples: [['What the cache would do', "shadow http://10.0.0.1:3000/__cache --header 'X-Operator: …'"]],
  failsIf: 'an answer of the cache would have been for another visitor, or the dashboard failed',
  async run(given, around) {
    const address = dashboardAddress(given, given.positionals[0])
    if (address === undefined) throw new UsageError('name the address of a dashboard')
    const told = await shadowReport(address)
    await tell(told, given, around)
    return told.report.all.answers.leaked > 0 ? 1 : 0
  },
}

async function tell(told: ToldReport<ShadowReport>, given: Arguments, { terminal }: Surroundings): Promise<void> {
  if (given.has('json')) return terminal.json(told)
  const { process, report } = told
  await terminal.print(visible(`${process}, in shadow mode for ${durationText(Date.now() - report.since)}`))
  await terminal.print(tableLines(summary(report), 'll').map(visible).join('\n'))
  const routes = report.routes.slice(0, MOST_SHOWN).map(routeRow)
  await terminal.print(
    `\n${tableLines([HEAD, ...routes], 'rrrrrrl')
      .map(visible)
      .join('\n')}\n`,
  )
  for (const { reason, count, meaning, remedy } of report.all.refused.slice(0, MOST_SHOWN)) {
    await terminal.print(visible(`${count} × ${reason}: ${meaning}`))
    if (remedy !== '') await terminal.print(terminal.style('bold', `  ${visible(remedy)}`))
  }
  for (const route of report.routes) await tellDifferences(route, WORDS, terminal)
}

const HEAD = ['REQUESTS', 'HITS', '1 MiB', '10 MiB', '64 MiB', 'SAVED', 'ROUTE']

const WORDS: DifferenceWords = {
  leaked: "answers would have been another visitor's",
  suspected: 'answers differ between visitors; it is not known yet why',
  stale: 'answers would have been stale',
}

function summary({ all, directory }: ShadowReport): readonly (readonly string[])[] {
  const { requests, hits, collapsed, misses, bypassed, handlerSeconds, savedSeconds } = all
  const evicted = directory.evicted === 0 ? '' : `; ${directory.evicted} had to go, so the ratios are a little too low`
  return [
    ['requests', `${requests}: ${hits} hits, ${collapsed} waiting, ${misses} misses, ${bypassed} bypassed`],
    ['handlers', `${handlerSeconds.toFixed(1)} s, of which ${savedSeconds.toFixed(1)} s saved`],
    ['bodies', `${bytesText(all.savedBytes)} saved`],
    ['answers', answersText(all.answers)],
    ['directory', `${directory.entries} fingerprints, ${bytesText(directory.bytes)}${evicted}`],
  ]
}

function routeRow(route: ShadowRoute): readonly string[] {
  const { requests, hits, collapsed, misses, hitRatioAt, savedSeconds } = route
  return [
    String(requests),
    shareText(hits, hits + collapsed + misses),
    ...[hitRatioAt['1'], hitRatioAt['10'], hitRatioAt['64']].map(ratioText),
    `${savedSeconds.toFixed(1)} s`,
    routeName(route),
  ]
}

function ratioText(ratio: ShadowFigures['hitRatio']): string {
  return ratio === null ? '' : shareText(ratio, 1)
}
