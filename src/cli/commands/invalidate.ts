import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { text as textOf } from 'node:stream/consumers'
import type { FallbackCache, Invalidation } from '../../index.js'
import type { Arguments } from '../arguments.js'
import type { Command, Surroundings } from '../command.js'
import { coverWords } from '../covers.js'
import { CommandFailure, UsageError } from '../errors.js'
import { countText, durationText, tableLines } from '../figures.js'
import { isHttpUrl, readFields } from '../http-options.js'
import { withCache } from '../operator-cache.js'
import { otherGroups } from '../other-groups.js'
import { type PurgeList, readPurgeList } from '../purge-list.js'
import { REDIS_OPTIONS } from '../redis-options.js'
import { visible } from '../terminal.js'
import { type VerifiedUrl, verifyUrl } from '../verified-url.js'

/** Maximum number of covers that are printed. */
const MOST_SHOWN = 20

/** `fallback-cache invalidate`: invalidate paths, prefixes, tags or everything, in every process. */
export const invalidateCommand: Command = {
  synopsis: '--path <path> | --prefix <text> | --tag <name> | --file <file> | --all [options]',
  description:
    'Invalidates entries in every process of the application, waits until the invalidation is durable, and prints the receipt: what it covers, its position in the log, and the processes that have applied it within a second and a half. Processes that have not confirmed apply it before their next answer.',
  options: {
    path: { value: 'path', isList: true, text: 'the responses of a path and of all paths below it, with all queries' },
    prefix: { value: 'text', isList: true, text: 'the entries whose keys begin with this text' },
    tag: { value: 'name', isList: true, text: 'the entries with this tag' },
    file: {
      value: 'file',
      text: 'a path or URL on each line, or "tag <name>", or "prefix <text>"; - reads standard input',
    },
    all: { text: 'everything under the keyPrefix; asks first, unless there is --yes' },
    group: { value: 'name', text: 'the option group of the middleware whose paths are meant. Default: none' },
    soft: { text: 'make stale instead: used while they are made again' },
    'dry-run': { text: 'invalidate nothing: count what would be covered, and name some of it' },
    'no-wait': { text: 'do not wait for the confirmations' },
    yes: { short: 'y', text: 'do not ask' },
    verify: { value: 'url', isList: true, text: 'afterwards, check that this URL is not answered from before' },
    header: { value: 'name: value', isList: true, text: 'sent with the requests of --verify' },
    ...REDIS_OPTIONS,
  },
  arity: [0, 0],
  examples: [
    ['A page, and everything below it', 'invalidate --group shop --path /products/1'],
    ['What would a tag cover?', 'invalidate --tag sales --dry-run'],
    ['Everything, gently, from a deploy script', 'invalidate --all --soft --yes'],
    [
      'And ask two processes whether they have noticed',
      'invalidate --path /prices --verify http://web-1:3000/prices --verify http://web-2:3000/prices',
    ],
  ],
  failsIf: 'it is not durable, was not confirmed at the prompt, --verify found an old answer, or Redis failed',
  async run(given, around) {
    const list = readPurgeList(given, await fileLines(given))
    for (const url of given.texts('verify')) {
      if (!isHttpUrl(url)) throw new UsageError(`--verify must be a URL like http://10.0.0.1:3000/prices, got "${url}"`)
    }
    const fields = readFields(given)
    for (const prefix of list.prefixes) {
      if (prefix.endsWith('*')) around.terminal.note(`${visible(prefix)} covers keys that have the star themselves`)
    }
    const mustAsk = list.isAll && !given.has('yes') && !given.has('dry-run')
    if (mustAsk && !process.stdin.isTTY) throw new UsageError('--all asks first, and there is no terminal: add --yes')
    return withCache(given, around, async (cache) => {
      if (mustAsk && !(await isAgreed(cache, given, around))) throw new CommandFailure('nothing was invalidated')
      const began = performance.now()
      const receipts = (await carryOut(cache, list, given)).map(withoutThisProcess)
      const took = performance.now() - began
      const isDry = given.has('dry-run')
      const verified = isDry ? [] : await Promise.all(given.texts('verify').map((url) => verifyUrl(url, began, fields)))
      await tell({ receipts, took, verified }, given, around)
      const doubt = list.paths.length > 0 ? await otherGroups(cache, given.text('group') ?? '') : undefined
      if (doubt !== undefined) around.terminal.note(visible(doubt))
      const isDone = isDry || receipts.every(({ durable }) => durable)
      return isDone && verified.every(({ verdict }) => verdict === 'new') ? 0 : 1
    })
  },
}

async function fileLines(given: Arguments): Promise<readonly string[]> {
  const path = given.text('file')
  if (path === undefined) return []
  const content = path === '-' ? textOf(process.stdin) : readFile(path, 'utf8')
  const text = await content.catch((thrown: NodeJS.ErrnoException) => {
    throw new UsageError(`--file ${path}: ${thrown.code ?? thrown.message}`)
  })
  return text.replace(/^\ufeff/, '').split(/\r?\n/)
}

/** Shows how much `--all` covers, and asks for a confirmation. */
async function isAgreed(cache: FallbackCache, given: Arguments, { terminal, signal }: Surroundings): Promise<boolean> {
  const { counted } = await cache.clear({ dryRun: true })
  const most = counted?.isComplete === false ? 'more than ' : ''
  terminal.note(
    `This covers ${most}${countText(counted?.redis ?? 0, 'entry', 'entries')} in Redis, and the memory of every process.`,
  )
  if (!given.has('soft'))
    terminal.note('Each of them is made again by its next request, at once; with --soft it is not.')
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await reader.question('Invalidate everything? [y/N] ', { signal })).trim())
  } finally {
    reader.close()
  }
}

/** The first process that has applied an invalidation is the command itself. */
function withoutThisProcess(receipt: Invalidation): Invalidation {
  return { ...receipt, confirmedBy: receipt.confirmedBy?.slice(1) }
}

async function carryOut(cache: FallbackCache, list: PurgeList, given: Arguments): Promise<readonly Invalidation[]> {
  const dryRun = given.has('dry-run')
  const how = { soft: given.has('soft'), dryRun, confirm: !dryRun && !given.has('no-wait') }
  const { paths, prefixes, tags, isAll } = list
  return Promise.all([
    ...(isAll ? [cache.clear(how)] : []),
    ...(paths.length > 0 ? [cache.invalidatePrefixes(paths, { ...how, ignoreCase: true })] : []),
    ...(prefixes.length > 0 ? [cache.invalidatePrefixes(prefixes, how)] : []),
    ...(tags.length > 0 ? [cache.invalidateTags(tags, how)] : []),
  ])
}

interface Outcome {
  readonly receipts: readonly Invalidation[]
  readonly took: number
  readonly verified: readonly VerifiedUrl[]
}

async function tell(
  { receipts, took, verified }: Outcome,
  given: Arguments,
  { terminal }: Surroundings,
): Promise<void> {
  if (given.has('json')) return terminal.json({ receipts, milliseconds: Math.round(took), verified })
  const rows = receipts.flatMap((receipt) => receiptRows(receipt))
  const checks = verified.map(({ url, verdict, text }): [string, string] => [`verify: ${verdict}`, `${url} (${text})`])
  const all = [...rows, ['took', durationText(took)] as const, ...checks]
  const lines = tableLines(
    all.map(([name, value]) => [name, visible(value)]),
    'll',
  )
  await terminal.print(lines.join('\n'))
}

function receiptRows({ durable, covers, position, confirmedBy, counted }: Invalidation): readonly [string, string][] {
  const shown = covers.slice(0, MOST_SHOWN).map((cover): [string, string] => ['covers', coverWords(cover)])
  const more = covers.length - shown.length
  if (more > 0) shown.push(['covers', `and ${more} more`])
  if (counted !== undefined) {
    const isMore = counted.isComplete ? '' : ', at least: the count ended at its limit'
    return [
      ...shown,
      ['would cover', `${countText(counted.redis, 'entry', 'entries')} in Redis${isMore}`],
      ...counted.sample.map((key): [string, string] => ['such as', key]),
    ]
  }
  return [
    ...shown,
    ['durable', durable ? 'yes: no process answers from before' : 'NO: Redis did not take it'],
    ['position', position === undefined ? 'none' : `${position}, ${new Date(position / 1000).toISOString()}`],
    ...(confirmedBy === undefined
      ? []
      : [['confirmed by', countText(confirmedBy.length, 'process', 'processes')] as [string, string]]),
    ...(confirmedBy ?? []).map((name): [string, string] => ['', name]),
  ]
}
