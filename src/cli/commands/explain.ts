import { REASONS } from '../../index.js'
import { ask } from '../../testing/ask.js'
import { ownStatus, type ToldStatus } from '../cache-status-field.js'
import type { Command } from '../command.js'
import { CommandFailure, UsageError } from '../errors.js'
import { tableLines } from '../figures.js'
import { isHttpUrl, readFields, shownUrl } from '../http-options.js'
import { visible } from '../terminal.js'

/** Fields that affect caching, or that help to explain it. */
const TELLING = [
  'age',
  'cache-control',
  'cdn-cache-control',
  'expires',
  'etag',
  'last-modified',
  'vary',
  'server-timing',
]

/** `fallback-cache explain`: request a URL, and explain what the cache did. */
export const explainCommand: Command = {
  synopsis: '<url> [options]',
  description: [
    "Sends the request, and explains the Cache-Status of the response. The application must send that field, as it does unless the option cacheStatus is false; with cacheStatus: 'debug' the field also contains the key, which the command get takes.",
    'This is a real request: it is counted, runs the handler if nothing is stored, and its response may be stored. To explain a request without making it, call cached.explain() in the application.',
  ].join('\n\n'),
  options: {
    header: { value: 'name: value', isList: true, text: 'sent with the request, such as the cookie of a user' },
    method: { value: 'name', text: 'GET, HEAD, … Default: GET' },
  },
  arity: [1, 1],
  examples: [
    ['Why is this page slow?', 'explain https://shop.example/products/1'],
    ['The same, in one process, as that host', "explain http://10.0.0.1:3000/products/1 --header 'Host: shop.example'"],
  ],
  failsIf: 'there is no answer, or it says nothing of this cache',
  async run(given, { terminal }) {
    const [url = ''] = given.positionals
    if (!isHttpUrl(url)) throw new UsageError(`a URL must be like https://shop.example/products/1, got "${url}"`)
    const method = given.text('method')?.toUpperCase() ?? 'GET'
    if (!/^[A-Z]+$/.test(method)) throw new UsageError('--method must be the name of a method')
    const { status, headers } = await ask(new URL(url), { method, headers: readFields(given) }).catch(
      (thrown: unknown) => {
        throw new CommandFailure(`${url}: ${thrown instanceof Error ? thrown.message : thrown}`)
      },
    )
    const told = ownStatus([headers['cache-status']].flat().join(', '))
    const fields = TELLING.flatMap((name) =>
      headers[name] === undefined ? [] : [[name, String(headers[name])] as const],
    )
    if (given.has('json')) {
      await terminal.json({
        url: shownUrl(url),
        method,
        status,
        cacheStatus: told,
        words: told && wordsFor(told),
        fields: Object.fromEntries(fields),
      })
    } else {
      const rows = [
        ['request', `${method} ${shownUrl(url)}`],
        ['answer', String(status)],
        ...(told === undefined ? [] : wordsFor(told)),
        ...fields,
      ]
      const lines = tableLines(
        rows.map(([name = '', value = '']) => [name, visible(value)]),
        'll',
      )
      await terminal.print(lines.join('\n'))
    }
    if (told !== undefined) return 0
    terminal.note(SILENT)
    return 1
  },
}

const SILENT =
  'fallback-cache explain: the answer has no Cache-Status of fallback-cache. Either the request did not pass the cache (is it mounted in front of this route?), the option cacheStatus is false, or something between here and the application removes the field'

function wordsFor({ isHit, parameters }: ToldStatus): readonly (readonly [string, string])[] {
  const { fwd, detail, ttl, key, stored, collapsed } = parameters
  const rows: [string, string][] = []
  if (isHit) rows.push(['cache', `answered from ${detail ?? 'the cache'}, without the handler`])
  else if (collapsed === 'true')
    rows.push(['cache', 'waited for the handler of another request, and shared its response'])
  else rows.push(['cache', `ran the handler; the response was ${stored === 'true' ? 'stored' : 'not stored'}`])
  for (const reason of new Set([fwd, detail])) {
    const meaning = reason === undefined || !Object.hasOwn(REASONS, reason) ? undefined : Reflect.get(REASONS, reason)
    if (meaning !== undefined) rows.push(['because', `${reason}: ${meaning}`])
  }
  const seconds = Number(ttl)
  if (ttl !== undefined) rows.push(['lifetime', seconds >= 0 ? `fresh for ${ttl} s` : `stale for ${-seconds} s`])
  if (key !== undefined) rows.push(['key', key])
  return rows
}
