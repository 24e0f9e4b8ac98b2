import { createRequire } from 'node:module'
import querystring from 'node:querystring'
import { isDeepStrictEqual } from 'node:util'
import type { RequestHead } from '../../src/http/port/request-head.js'
import { PrimaryKeys } from '../../src/http/store/primary-key.js'
import { parseNoVarySearch } from '../../src/http/syntax/no-vary-search.js'
import type { Random } from '../simulation/random.js'
import type { Trial } from './trial.js'

interface Qs {
  parse(text: string, options?: object): Record<string, unknown>
}

const here = createRequire(import.meta.url)
const versions = [
  ...new Set(['express', 'express4'].map((name) => createRequire(here.resolve(`${name}/package.json`)).resolve('qs'))),
]
const parsers = versions.map((file) => here(file) as Qs)

/** All that applications make of a query: each a record of what a name stands for. */
const readers: readonly ((query: string) => Readonly<Record<string, unknown>>)[] = [
  ...parsers.flatMap(({ parse }) => [
    (query: string) => parse(query, { allowPrototypes: true }),
    (query: string) => parse(query),
    (query: string) => parse(query, { allowDots: true }),
  ]),
  (query) => ({ ...querystring.parse(query) }),
  (query) => grouped(new URLSearchParams(query)),
  (query) => grouped(new URL(`http://a/?${query}`).searchParams),
  // What is written by hand: the part behind the first, or between the first two, or behind the last question mark.
  (query) => ({ ...querystring.parse(`/?${query}`.split('?')[1] ?? '') }),
  (query) => ({ ...querystring.parse(`/?${query}`.split('?').pop() ?? '') }),
]

function grouped(parameters: URLSearchParams): Readonly<Record<string, unknown>> {
  const all: Record<string, unknown> = Object.create(null)
  for (const name of parameters.keys()) all[`=${name}`] = parameters.getAll(name)
  return all
}

const names = [
  'a',
  'b',
  'a[]',
  'a[x]',
  'a[0]',
  'a[y][]',
  '[a]',
  '[[a]]',
  'a]',
  'a[',
  '[',
  'a.x',
  '.a',
  'a%5B%5D',
  '%61',
  'a%5bx%5d',
  'b[]',
  'x=[a]',
  'x%3D]',
  'x=1]',
  '%E4',
  '%FF',
  '%FE',
  '%ZZ',
  'a+',
  '',
  'u',
  'u[x]',
  '?a',
  '\u00e4',
  'a%00',
]
const values = ['1', '2', '', '1=2', ']=3', 'x]=', '%C3%BC', '%E4', '?a=3', 'a?b=1', '+', '%5D=5', '[', 'a;b=1']

const RULES = [
  'key-order',
  'params=("u")',
  'key-order, params=("u")',
  'params, except=("a")',
  'key-order, params, except=("a" "b")',
]
const rules = RULES.map((text) => parseNoVarySearch(text))

const sorted = new PrimaryKeys({ group: '', query: 'sorted' })
const listed = new PrimaryKeys({ group: '', query: ['a', 'b'] })
const all = new PrimaryKeys({ group: '', query: 'all' })

/** Two queries, the second one made of the first: in another order, with less or more. */
export const fuzzQueries: Trial = (random) => {
  const one = pairs(random)
  const other = changed(random, one)
  const [left, right] = [one.join('&'), other.join('&')]
  if (left === right) return { equated: false }
  const kind = random.below(3)
  if (kind === 0) return compare(left, right, (query) => sorted.of(head(query), '')?.identity, everything)
  if (kind === 1) return compare(left, right, (query) => listed.of(head(query), '')?.identity, only('a', 'b'))
  const rule = random.pick(rules)
  const at = rules.indexOf(rule)
  if (rule === undefined) throw new Error('a rule of the test cannot be read')
  const key = (query: string) => all.under(rule, head(query), '', undefined)?.identity
  return compare(
    left,
    right,
    key,
    [everything, without('u'), without('u'), only('a'), only('a', 'b')][at] ?? everything,
  )
}

function compare(
  left: string,
  right: string,
  keyOf: (query: string) => string | undefined,
  matters: (parsed: Readonly<Record<string, unknown>>) => unknown,
): { equated: boolean; fault?: string } {
  const key = keyOf(left)
  if (key === undefined || key !== keyOf(right)) return { equated: false }
  const reader = readers.findIndex((read) => !isDeepStrictEqual(matters(read(left)), matters(read(right))))
  return reader < 0 ? { equated: true } : { equated: true, fault: `?${left} and ?${right} by reader ${reader}: ${key}` }
}

type Parsed = Readonly<Record<string, unknown>>

/** The order of names is what is given up. */
function everything(parsed: Parsed): Parsed {
  return { ...parsed }
}

function only(...kept: readonly string[]): (parsed: Parsed) => unknown {
  return (parsed) => kept.map((name) => [parsed[name], parsed[`=${name}`]])
}

function without(name: string): (parsed: Parsed) => unknown {
  return (parsed) => Object.fromEntries(Object.entries(parsed).filter(([own]) => own !== name && own !== `=${name}`))
}

function pairs(random: Random): readonly string[] {
  return Array.from({ length: 1 + random.below(5) }, () => {
    const name = random.pick(names)
    return random.chance(0.1) ? name : `${name}=${random.pick(values)}`
  })
}

function changed(random: Random, given: readonly string[]): readonly string[] {
  const result = [...given]
  if (random.chance(0.7)) result.reverse()
  if (random.chance(0.4)) result.push(`${random.pick(names)}=${random.pick(values)}`)
  if (random.chance(0.2)) result.splice(random.below(result.length), 1)
  if (random.chance(0.2)) result.unshift('')
  if (random.chance(0.3))
    result.splice(random.below(result.length), 0, ...result.splice(random.below(result.length), 1))
  return result
}

function head(query: string): RequestHead {
  return { method: 'GET', url: `/p?${query}`, protocol: 'http', host: 'a.example', headers: {} }
}
