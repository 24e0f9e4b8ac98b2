import { type InspectedEntry, Inspector } from '../../inspect/index.js'
import type { Arguments } from '../arguments.js'
import type { Command, ExitCode, Surroundings } from '../command.js'
import { CommandFailure, UsageError } from '../errors.js'
import { bytesText, durationText, tableLines } from '../figures.js'
import { REDIS_OPTIONS, withRedis } from '../redis-options.js'
import { visible } from '../terminal.js'

/** `fallback-cache get`: show one entry. */
export const getCommand: Command = {
  synopsis: '<key> … [options]',
  description: [
    'Shows entries in Redis: state, times and tags; of a response also its URL, status, header fields, encoded forms, and the names of the inputs that select it.',
    "Values of inputs (cookies, header fields, users) are never shown, and the body only with --body. The command keys prints the keys, and so does Cache-Status with cacheStatus: 'debug'.",
  ].join('\n\n'),
  options: {
    body: { text: 'print the body alone, as the handler sent it; with --json, as base64 in the property body' },
    ...REDIS_OPTIONS,
  },
  arity: [1, 100],
  examples: [
    ['One entry', 'get shop:/products/1:5ceeab3dbffc'],
    ['Its body, into a file', 'get --body shop:/products/1:5ceeab3dbffc > page.html'],
  ],
  failsIf: 'one of the keys has no entry, or Redis failed',
  run: (given, around) =>
    withRedis(given, around, async (redis) => {
      const standing = await redis.standing()
      const inspector = new Inspector(() => ({ redis: redis.inspected(standing) }))
      if (given.has('body') && !given.has('json') && given.positionals.length > 1)
        throw new UsageError('--body is for one key')
      let code: ExitCode = 0
      for (const key of given.positionals) {
        const [entry] = await inspector.entries(key, given.has('body'))
        if (entry === undefined) {
          around.terminal.note(
            `fallback-cache get: nothing is stored under ${visible(key)}; fallback-cache keys lists the keys, as they are written here`,
          )
          code = 1
        } else await show(entry, given, around)
      }
      return code
    }),
}

async function show(entry: InspectedEntry, given: Arguments, { terminal }: Surroundings): Promise<void> {
  if (given.has('json')) return terminal.json(entry)
  if (!given.has('body')) {
    return terminal.print(entryLines(entry).join('\n'))
  }
  const { body } = entry
  if (body === undefined) throw new CommandFailure(`the entry is ${entry.kind}, and has no body`)
  if (!terminal.isTty) return terminal.printBytes(body)
  if (body.includes(0)) throw new CommandFailure('the body is binary: write it into a file (> file)')
  // A page may contain characters that a terminal would act on.
  await terminal.print(body.toString().split('\n').map(visible).join('\n'))
}

/** The lines that describe an entry. */
function entryLines(entry: InspectedEntry): readonly string[] {
  const { key, kind, state, status, bytes, storedAt, staleAt, deleteAt, tags, route, cost, response, variants } = entry
  const now = Date.now()
  const rows: [string, string][] = [
    ['key', key],
    ['kind', `${kind}${status === undefined ? '' : ` ${status}`}`],
    ['state', STATE_TEXTS[state]],
    ['size', `${bytesText(bytes)} in ${entry.tier}`],
  ]
  if (deleteAt > 0) {
    rows.push(
      ['stored', `${isoTime(storedAt)}, ${durationText(now - storedAt)} ago`],
      ['fresh until', `${isoTime(staleAt)}, ${untilText(staleAt - now)}`],
      ['used stale until', `${isoTime(deleteAt)}, ${untilText(deleteAt - now)}`],
    )
  }
  if (tags.length > 0) rows.push(['tags', tags.join(', ')])
  if (route !== undefined) rows.push(['route', route])
  if (cost !== undefined) rows.push(['took', durationText(cost)])
  if (response !== undefined) rows.push(...responseRows(response))
  if (variants !== undefined) {
    rows.push(['selected by', namesText(variants.selectedBy)])
    rows.push(
      ...variants.keys.map((one): [string, string] => ['variant', `${one.key}, ${untilText(one.deleteAt - now)}`]),
    )
  }
  return tableLines(
    rows.map(([name, value]) => [name, visible(value)]),
    'll',
  )
}

function responseRows(response: NonNullable<InspectedEntry['response']>): [string, string][] {
  const { method, origin, path, query, isRefined, fields, selectedBy, bodyBytes, encodings } = response
  const made = encodings.map(({ coding, bytes }) => `${coding} ${bytes === 0 ? 'not made yet' : bytesText(bytes)}`)
  return [
    ['request', `${method} ${origin}${path}${query}${isRefined ? ', for one value of the options key or user' : ''}`],
    ['selected by', namesText(selectedBy)],
    ['body', [bytesText(bodyBytes), ...made].join(', ')],
    ['age then', `${response.initialAge} s`],
    ['stale windows', `revalidate ${response.staleWhileRevalidate} s, error ${response.staleIfError} s`],
    ...fields.map(([name, value]): [string, string] => ['field', `${name}: ${value}`]),
  ]
}

const STATE_TEXTS: Readonly<Record<InspectedEntry['state'], string>> = {
  fresh: 'fresh',
  stale: 'stale: used only as its stale windows permit',
  softened: 'softened: invalidated softly, used while it is made again',
  invalidated: 'invalidated: never used again, and not removed yet',
  expired: 'expired',
  'other-life': 'other-life: stored before Redis lost its data or was restarted, and not used',
  none: 'none: no entry that this cache uses',
}

function namesText(names: readonly string[]): string {
  return names.length === 0 ? 'the URL alone' : `${names.join(', ')} (values are not shown)`
}

function untilText(ms: number): string {
  return ms > 0 ? `in ${durationText(ms)}` : `${durationText(-ms)} ago`
}

/** ISO 8601; a time that no `Date` can express is shown as its number. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}
