import { createRequire } from 'node:module'
import { matchesSelecting, selectingValues } from '../../src/http/rules/vary.js'
import type { Random } from '../simulation/random.js'
import type { Trial } from './trial.js'

/** Of `negotiator`, any version. */
interface Negotiator {
  languages(available?: readonly string[]): string[]
  encodings(available?: readonly string[]): string[]
  charsets(available?: readonly string[]): string[]
  mediaTypes(available?: readonly string[]): string[]
}

/** Of `accepts`, any version. */
interface Accepts {
  languages(available?: readonly string[]): unknown
  encodings(available?: readonly string[]): unknown
  charsets(available?: readonly string[]): unknown
  types(available?: readonly string[]): unknown
}

type Request = { readonly headers: Readonly<Record<string, string>> }

const here = createRequire(import.meta.url)
/** What each framework and compression bring along, which are two major versions and several minor ones. */
const owners = ['express', 'express4', 'koa', 'koa2', 'compression'].map((name) =>
  createRequire(here.resolve(`${name}/package.json`)),
)
const negotiators = unique(['negotiator']) as (new (request: Request) => Negotiator)[]
const accepts = unique(['accepts']) as ((request: Request) => Accepts)[]

function unique([name = '']: readonly string[]): unknown[] {
  const files = new Set([here.resolve(name), ...owners.map((owner) => owner.resolve(name))])
  return [...files].map((file) => here(file))
}

const KINDS = [
  ['accept-language', 'languages', 'languages', ['en', 'de', 'de-AT', 'en-gb']],
  ['accept-encoding', 'encodings', 'encodings', ['gzip', 'br', 'identity', 'deflate']],
  ['accept-charset', 'charsets', 'charsets', ['utf-8', 'iso-8859-1', 'x']],
  ['accept', 'mediaTypes', 'types', ['text/html', 'application/json', 'text/plain', 'text/html;level=1']],
] as const

const words = [
  'en',
  'de',
  'EN',
  'de-AT',
  'gzip',
  'br',
  '*',
  'utf-8',
  'text/html',
  'text/*',
  '*/*',
  'application/json',
  'x',
  '',
]
const tails = [
  '',
  '',
  ';q=0.5',
  ';q=0',
  '; q=0.5',
  ' ;q=0.5',
  ';Q=0.5',
  ';q=0.1;q=1',
  ';level=1',
  ';level="1,2"',
  ';a=" , "',
  ';q=.5',
  ';q="0.5"',
  '"',
  ';',
]
const commas = [',', ', ', ',  ', ',\t', ' ,', ' , ', ',,', ',\u00a0', ', ,', ',\u000b']

/** Two Accept fields, the second one the first with other commas, or something near it. */
export const fuzzSelecting: Trial = (random) => {
  const [name, method, types, available] = random.pick(KINDS)
  const members = Array.from({ length: 1 + random.below(4) }, () => random.pick(words) + random.pick(tails))
  const one = joined(random, members)
  const others = random.chance(0.3) ? changed(random, members) : members
  const other = joined(random, others)
  const [left, right] = [{ [name]: one }, { [name]: other }]
  if (one === other || !matchesSelecting([name], selectingValues([name], left), right)) return { equated: false }
  for (const list of [undefined, available, [...available].reverse()]) {
    const results = [left, right].map((headers) =>
      JSON.stringify([
        ...negotiators.map((Negotiates) => attempt(() => new Negotiates({ headers })[method](list))),
        ...accepts.map((accept) => attempt(() => accept({ headers })[types](list))),
      ]),
    )
    if (results[0] === results[1]) continue
    return {
      equated: true,
      fault: `${name}: ${JSON.stringify(one)} and ${JSON.stringify(other)}: ${results.join(' and ')}`,
    }
  }
  return { equated: true }
}

function joined(random: Random, members: readonly string[]): string {
  // As node gives it: without white space around it.
  return members.reduce((text, member) => text + random.pick(commas) + member).replace(/^[ \t]+|[ \t]+$/g, '')
}

function changed(random: Random, members: readonly string[]): readonly string[] {
  const [first = '', ...rest] = members
  return random.pick([
    [...rest, first],
    [first.toUpperCase(), ...rest],
    [`${first};q=1`, ...rest],
    [first, first, ...rest],
  ])
}

function attempt(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return String(error)
  }
}
