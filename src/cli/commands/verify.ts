import { type Answer, ask } from '../../testing/ask.js'
import { type CoherenceReport, checkCoherence } from '../../testing/check-coherence.js'
import type { Arguments } from '../arguments.js'
import type { Command } from '../command.js'
import { dashboardAddress } from '../dashboard-client.js'
import { UsageError } from '../errors.js'
import { readBaseUrls, readFields } from '../http-options.js'
import { visible } from '../terminal.js'
import { tellVerifiedHits } from '../verified-hits.js'

/** `fallback-cache verify`: check an application for stale answers over HTTP, or print what it has found by itself. */
export const verifyCommand: Command = {
  synopsis:
    '--read <path> --write "<method> <path or URL>" [options] <base URL> …\n--url <url of a dashboard> [--json]',
  description: [
    'Checks for stale answers over HTTP: repeats a write, reads from each base URL at the same time, and counts the answers that are older than an acknowledged write. It can check any application and any cache.',
    'If the write has no {n}, its answer must contain the version too.',
    "With --url it reads and writes nothing, and prints what a cache in the mode verify (mode: 'verify') has found by itself: hits that differed from what their handlers answered.",
  ].join('\n\n'),
  options: {
    read: { value: 'path', text: 'the path to read at each base URL' },
    write: { value: 'method path', text: 'the write, such as "PUT /stock/{n}"; a path is sent to the first base URL' },
    body: { value: 'text', text: 'body of the write; {n} in it or in the URL becomes the version, a growing number' },
    property: { value: 'name.name', text: 'where a JSON answer contains the version. Default: version' },
    field: { value: 'name', text: 'header field of the answer that contains it, instead' },
    header: { value: 'name: value', isList: true, text: 'sent with every request' },
    url: { value: 'url', text: 'the address of a dashboard, as http://10.0.0.1:3000/__cache, instead of all others' },
    seconds: { value: 'n', text: 'duration of the check. Default: 10' },
    concurrency: { value: 'n', text: 'readers for each base URL. Default: 4' },
    'write-every': { value: 'ms', text: 'pause between writes. Default: 200' },
    grace: { value: 'ms', text: 'delay after a write during which an answer may be old. Default: 0' },
  },
  arity: [0, 100],
  examples: [
    [
      'Two processes of a shop',
      'verify --read /stock --write "PUT /stock/{n}" http://10.0.0.1:3000 http://10.0.0.2:3000',
    ],
    [
      'The number in a header field',
      'verify --read /page --write "POST /publish" --field X-Version http://10.0.0.1:3000',
    ],
    ['What the mode verify has found', "verify --url http://10.0.0.1:3000/__cache --header 'X-Operator: …'"],
  ],
  failsIf: "an answer was stale, or, with --url, another visitor's; or nothing could be told",
  async run(given, { terminal }) {
    const address = dashboardAddress(given)
    if (address !== undefined) {
      if (given.positionals.length > 0) throw new UsageError('--url takes the place of the base URLs')
      return tellVerifiedHits(address, given, terminal)
    }
    const report = await checkOverHttp(given)
    if (given.has('json')) await terminal.json(report)
    else await terminal.print(visibleLines(reportText(report)))
    return report.stale === 0 && report.reads > 0 && report.writes > 0 ? 0 : 1
  },
}

async function checkOverHttp(given: Arguments): Promise<CoherenceReport> {
  const [read, body, field] = [given.text('read'), given.text('body'), given.text('field')]
  const [, method, target] = /^([A-Za-z]+) (\S+)$/.exec(given.text('write') ?? '') ?? []
  if (given.positionals.length === 0) throw new UsageError('name the base URL of each process, or a dashboard by --url')
  const urls = readBaseUrls(given.positionals)
  if (read === undefined) throw new UsageError('--read is missing')
  if (method === undefined || target === undefined)
    throw new UsageError('--write must be "<method> <path or URL>", such as "PUT /stock/{n}"')
  const headers = readFields(given)
  const type = body !== undefined && /^\s*[[{]/.test(body) ? { 'content-type': 'application/json' } : {}
  const property = given.text('property') ?? 'version'
  const isNumbered = `${target}${body}`.includes('{n}')
  // Starts at the current time, so that versions also grow from one run of this command to the next.
  let n = Date.now()

  const versionOf = ({ status, headers: fields, text: answer }: Answer): number => {
    if (status < 200 || status > 299) throw new Error(`answered with ${status}`)
    const found = field === undefined ? inside(parsed(answer), property) : fields[field.toLowerCase()]
    const version = Number(found ?? Number.NaN)
    if (!Number.isNaN(version)) return version
    const place = field === undefined ? `the property ${property} of the JSON` : `the field ${field}`
    throw new Error(`there is no number in ${place}; --property or --field names the place of the version`)
  }

  return checkCoherence({
    urls,
    seconds: given.number('seconds', 10, [0.1, 86_400], false),
    concurrency: given.number('concurrency', 4, [1, 1000]),
    writeEvery: given.number('write-every', 200, [1, 86_400_000], false),
    grace: given.number('grace', 0, [0, 86_400_000], false),
    read: async (url) => versionOf(await ask(new URL(read, url), { method: 'GET', headers })),
    write: async () => {
      n++
      const url = new URL(target.replaceAll('{n}', String(n)), urls[0])
      const sent = body?.replaceAll('{n}', String(n))
      const answer = await ask(url, { method, headers: { ...type, ...headers }, body: sent })
      if (!isNumbered) return versionOf(answer)
      // A redirect also acknowledges a write: many applications redirect to the changed page.
      if (answer.status < 200 || answer.status > 399) throw new Error(`answered with ${answer.status}`)
      return n
    },
  })
}

/** `undefined` if it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function inside(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((part, name) => Object(part)[name], value)
}

function reportText({ reads, writes, stale, byAge, worst, byUrl, failed, failures }: CoherenceReport): string {
  const ages = byAge.map(({ upTo, count }) => `${Number.isFinite(upTo) ? `up to ${upTo} ms` : 'older'}: ${count}`)
  return [
    `${reads} reads, ${writes} writes, ${stale} stale`,
    ...Object.entries(byUrl).map(([url, counts]) => `  ${url}: ${counts.reads} reads, ${counts.stale} stale`),
    ...(worst === undefined
      ? []
      : [
          `  ${ages.join(', ')}`,
          `  worst: ${worst.url} gave ${worst.got} for ${worst.expected}, ${Math.round(worst.age)} ms late`,
        ]),
    ...(failed > 0 ? [`${failed} failed:`, ...failures.map((failure) => `  ${failure}`)] : []),
  ].join('\n')
}

function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}
