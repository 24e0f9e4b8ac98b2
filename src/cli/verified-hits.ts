import type { VerifiedRoute, VerifyReport } from '../index.js'
import type { Arguments } from './arguments.js'
import type { ExitCode } from './command.js'
import { answersText, type DifferenceWords, routeName, tellDifferences } from './compared-answers.js'
import { type DashboardAddress, type ToldReport, verifyReport } from './dashboard-client.js'
import { durationText, tableLines } from './figures.js'
import { type Terminal, visible } from './terminal.js'

/** Routes that are printed. */
const MOST_SHOWN = 20

/**
 * Prints which hits of a cache in the mode `verify` differed from what their handlers answered beside them.
 *
 * @returns 1 if one was stale or another visitor's
 * @throws CommandFailure
 */
export async function tellVerifiedHits(
  address: DashboardAddress,
  given: Arguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const told = await verifyReport(address)
  if (given.has('json')) await terminal.json(told)
  else await tell(told, terminal)
  const { leaked, stale } = told.report.answers
  return leaked + stale > 0 ? 1 : 0
}

async function tell({ process, report }: ToldReport<VerifyReport>, terminal: Terminal): Promise<void> {
  await terminal.print(visible(`${process}, in the mode verify for ${durationText(Date.now() - report.since)}`))
  await terminal.print(visible(`${report.compared} hits compared: ${answersText(report.answers)}`))
  const routes = report.routes.slice(0, MOST_SHOWN).map(routeRow)
  const lines = tableLines([HEAD, ...routes], 'rrrrrrl').map(visible)
  if (routes.length > 0) await terminal.print(`\n${lines.join('\n')}\n`)
  for (const route of report.routes) await tellDifferences(route, WORDS, terminal)
}

const HEAD = ['COMPARED', 'SAME', 'STALE', 'LEAKED', 'SUSPECTED', 'NOISE', 'ROUTE']

const WORDS: DifferenceWords = {
  leaked: "answers were another visitor's",
  suspected: 'answers differ between visitors; it is not known yet why',
  stale: 'answers were stale',
}

function routeRow(route: VerifiedRoute): readonly string[] {
  const { same, stale, leaked, suspected, noise } = route.answers
  return [...[route.compared, same, stale, leaked, suspected, noise].map(String), routeName(route)]
}
