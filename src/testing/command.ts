#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { type Answer, ask } from './ask.js'
import { type CoherenceReport, checkCoherence } from './check-coherence.js'

const USAGE = `usage: fallback-cache-check --read <path> --write "<method> <path or URL>" [options] <base URL> …

Writes, and counts the answers of each base URL that should have known.

  --read <path>          what to ask each base URL for
  --write "PUT <path>"   how to change it; a path is sent to the first base URL
  --body <text>          of the write; {n} there or in its URL becomes a number that grows
  --json <name.name>     where the number is in a JSON answer (version)
  --field <name>         the field of the answer that has it, instead
  --header "name: value" sent with every request; may come again
  --seconds <n>          how long (10)
  --concurrency <n>      readers for each base URL (4)
  --write-every <ms>     pause between writes (200)
  --grace <ms>           what an answer may lag behind (0)
  --help                 this text

Without {n} the answer to the write has to carry the number as well.
Ends with 0 when no read was stale, 1 when some were, 2 when nothing could be told.`

const args = process.argv.slice(2)

if (args.some((argument) => argument === '--help' || argument === '-h')) console.log(USAGE)
else {
  checkOverHttp(args).then(
    (report) => {
      console.log(reportText(report))
      const isTelling = report.reads > 0 && report.writes > 0
      process.exitCode = report.stale > 0 ? 1 : isTelling ? 0 : 2
    },
    (thrown: unknown) => {
      const [summary] = USAGE.split('\n', 1)
      console.error(`${thrown instanceof Error ? thrown.message : thrown}\n\n${summary}\n--help tells more`)
      process.exitCode = 2
    },
  )
}

async function checkOverHttp(args: readonly string[]): Promise<CoherenceReport> {
  const text = { type: 'string' } as const
  const { values, positionals: urls } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      read: text,
      write: text,
      body: text,
      json: { ...text, default: 'version' },
      field: text,
      header: { ...text, multiple: true, default: [] },
      seconds: { ...text, default: '10' },
      concurrency: { ...text, default: '4' },
      'write-every': { ...text, default: '200' },
      grace: { ...text, default: '0' },
    },
  })
  const { read, write, body, json, field } = values
  const [, method, target] = /^([A-Za-z]+) (\S+)$/.exec(write ?? '') ?? []
  const [first] = urls
  if (read === undefined) throw new TypeError('--read is missing')
  if (method === undefined || target === undefined) throw new TypeError('--write must be "<method> <path or URL>"')
  if (first === undefined) throw new TypeError('at least one base URL is needed')
  for (const url of urls) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url))
      throw new TypeError(`a base URL must be like http://10.0.0.1:3000, got "${url}"`)
  }

  const headers = Object.fromEntries(values.header.map((header) => headerFrom(header)))
  const type = body !== undefined && /^\s*[[{]/.test(body) ? { 'content-type': 'application/json' } : {}
  const isNumbered = `${target}${body}`.includes('{n}')
  // Starts at the current time, so that versions also grow from one run of this command to the next.
  let n = Date.now()

  const versionOf = ({ status, headers: fields, text: answer }: Answer): number => {
    if (status < 200 || status > 299) throw new Error(`answered with ${status}`)
    return Number((field === undefined ? inside(JSON.parse(answer), json) : fields[field.toLowerCase()]) ?? Number.NaN)
  }

  return checkCoherence({
    urls,
    seconds: Number(values.seconds),
    concurrency: Number(values.concurrency),
    writeEvery: Number(values['write-every']),
    grace: Number(values.grace),
    read: async (url) => versionOf(await ask(new URL(read, url), { method: 'GET', headers })),
    write: async () => {
      n++
      const url = new URL(target.replaceAll('{n}', String(n)), first)
      const sent = body?.replaceAll('{n}', String(n))
      const answer = await ask(url, { method, headers: { ...type, ...headers }, body: sent })
      if (!isNumbered) return versionOf(answer)
      // A redirect also acknowledges a write: many applications redirect to the changed page.
      if (answer.status < 200 || answer.status > 399) throw new Error(`answered with ${answer.status}`)
      return n
    },
  })
}

function headerFrom(line: string): [string, string] {
  const colon = line.indexOf(':')
  const [name, value] = [line.slice(0, Math.max(0, colon)), line.slice(colon + 1).trim()]
  if (name === '') throw new TypeError(`--header must be "name: value", got "${line}"`)
  return [name.trim().toLowerCase(), value]
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
