import type { RequestHead } from '../../src/http/port/request-head.js'
import { namedPaths } from '../../src/http/store/named-paths.js'
import { PrimaryKeys, prefixesOfPath } from '../../src/http/store/primary-key.js'
import type { Trial } from './trial.js'

const pieces = [
  'a',
  'b',
  'B',
  '/',
  '%',
  '%2',
  '%25',
  '%41',
  '%2F',
  '%2f',
  '%C3%BC',
  '\u00fc',
  '?',
  '#',
  ' ',
  '+',
  ':',
  '*',
  '@',
  '&',
  '=',
  '.',
  '"',
  '<',
  '\u{1f600}',
  '\\',
  '~',
  '|',
  '5',
  '0',
]
const keys = new PrimaryKeys({ group: 'g:', query: 'all' })

/** A page of an id and an invalidation by that id: each form must reach it. And two spellings of its path, which the key must tell apart. */
export const fuzzPaths: Trial = (random) => {
  const id = Array.from({ length: 1 + random.below(5) }, () => random.pick(pieces)).join('')
  const encoded = random.chance(0.5)
    ? encodeURIComponent(id)
    : encodeURIComponent(id).replace(/%[0-9A-F]{2}/g, (text) => text.toLowerCase())
  const url = `/products/${encoded}${random.pick(['', '/', '/reviews', '?page=2'])}`
  const key = keys.of(head(url), '')
  if (key === undefined) return { equated: false, fault: `${url} has no key` }
  const forms: Readonly<Record<string, () => readonly string[] | undefined>> = {
    template: () => namedPaths([templateOf`/products/${id}`, id]),
    segments: () => namedPaths([['products', id]]),
    ...(isPattern(id) ? {} : { text: () => namedPaths([`/products/${id}`]) }),
    ...(isPattern(encoded) ? {} : { url: () => namedPaths([`/products/${encoded}`]) }),
  }
  const missed = Object.entries(forms).filter(([, paths]) => !isReached(key.text, paths() ?? []))
  const other = url.replace(
    /%[0-9a-f]{2}/i,
    random.pick([(text: string) => text.toLowerCase(), decodeURIComponent, encodeURIComponent].map(safely)),
  )
  if (missed.length > 0)
    return { equated: true, fault: `${JSON.stringify(id)} at ${url}: not reached by ${missed.map(([form]) => form)}` }
  if (other !== url && keys.of(head(other), '')?.identity === key.identity)
    return { equated: true, fault: `${url} is one with ${other}` }
  return { equated: true }
}

function safely(change: (text: string) => string): (text: string) => string {
  return (text) => {
    try {
      return change(text)
    } catch {
      return text
    }
  }
}

function isReached(key: string, paths: readonly string[]): boolean {
  const prefixes = paths.flatMap((path) => prefixesOfPath('g:', path))
  return prefixes.some((prefix) => key.toLowerCase().startsWith(prefix.toLowerCase()))
}

function isPattern(id: string): boolean {
  return id.endsWith('*') || id.split('/').some((segment) => /^(?::[a-z_]|\*)/i.test(segment))
}

function templateOf(strings: TemplateStringsArray, ..._values: unknown[]): TemplateStringsArray {
  return strings
}

function head(url: string): RequestHead {
  return { method: 'GET', url, protocol: 'http', host: 'a.example', headers: {} }
}
