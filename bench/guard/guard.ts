import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { provideNode } from '../../scripts/node-versions.mjs'
import { buildPrograms } from '../build.js'
import { has, pinNothing } from '../pinned.js'
import type { Surroundings } from '../scenario.js'
import { compare } from '../scenarios/comparison.js'
import { printTable, shown } from '../table.js'
import { type Asking, bytesFor, instructionsFor } from './instructions.js'

// npm run bench:guard                whether a request has become dearer than bench/guard.json says
// npm run bench:guard -- miss        the rows whose name contains that
// npm run bench:guard -- --update    writes what it is now into bench/guard.json
// npm run bench:guard -- --short     whether it runs; fails for nothing else
//
// By instructions where valgrind is installed, else (or with --cpu) by processor time, which needs a quiet machine.

/** By what a ratio may grow. */
const tolerance = 1.15

/** What is guarded, each as a ratio to the same work without the library, or to a plain hit, in the same run. */
interface Guarded {
  readonly name: string
  readonly ours: string
  readonly reference: string
  /** Whether each request has a path of its own. */
  readonly isMiss?: true
  /** The form of the request, and of the one it is compared with. @defaultValue GET */
  readonly forms?: readonly [ours: Asking['form'], reference: Asking['form']]
  /** Counted only: the difference is below what processor time can tell. */
  readonly isSmall?: true
}

const hosts = ['ours express', 'ours express, front door', 'ours koa', 'ours koa, front door']

const guarded: readonly Guarded[] = [
  { name: 'hit, Express', ours: 'ours express', reference: 'express by hand' },
  { name: 'hit, Koa', ours: 'ours koa', reference: 'koa by hand' },
  { name: 'miss and store, Express', ours: 'ours express', reference: 'express by hand', isMiss: true },
  { name: 'miss and store, Koa', ours: 'ours koa', reference: 'koa by hand', isMiss: true },
  {
    name: 'miss and store in front of Express, / within',
    ours: 'ours express, front door',
    reference: 'ours express',
    isMiss: true,
    isSmall: true,
  },
  {
    name: 'POST, Express',
    ours: 'ours express',
    reference: 'express uncached',
    forms: ['POST', 'POST'],
    isSmall: true,
  },
  { name: 'POST, Koa', ours: 'ours koa', reference: 'koa uncached', forms: ['POST', 'POST'], isSmall: true },
  { name: 'skipped, Express', ours: 'ours express, skipping', reference: 'express uncached', isSmall: true },
  { name: 'skipped, Koa', ours: 'ours koa, skipping', reference: 'koa uncached', isSmall: true },
  ...(['304', 'HEAD'] as const).flatMap((form) =>
    hosts.map((host) => ({
      name: `${form} / 200, ${host.replace('ours ', '')}`,
      ours: host,
      reference: host,
      forms: [form, undefined] as const,
      isSmall: true as const,
    })),
  ),
  ...hosts.map((reference) => ({
    name: `hit with all metrics on, ${reference.replace('ours ', '')}`,
    ours: `${reference}, metrics`,
    reference,
    isSmall: true as const,
  })),
]

type Ratios = Readonly<Record<string, number>>

const file = fileURLToPath(new URL('../guard.json', import.meta.url))
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    update: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    cpu: { type: 'boolean', default: false },
    node: { type: 'string', default: '24' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (flags.help) {
  console.log(
    'npm run bench:guard -- [part of a name…] [--short] [--cpu] [--node=<version or path>] [--update]\n\n' +
      `Rows: ${guarded.map(({ name }) => name).join('; ')}. docs/performance.md explains them.`,
  )
  process.exit(0)
}
const node = /^\d+$/.test(flags.node) ? ((await provideNode(flags.node)) ?? process.execPath) : flags.node
const by = has('valgrind') && !flags.cpu ? 'instructions' : 'cpu'
const stored = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<typeof by, Ratios>>

const asked = guarded.filter(({ name }) => positionals.every((part) => name.toLowerCase().includes(part.toLowerCase())))
const measured = asked.filter(({ isSmall }) => by === 'instructions' || isSmall !== true)
if (measured.length === 0)
  throw new Error(`no row is called ${positionals.join(' ')}: ${guarded.map(({ name }) => name).join('; ')}`)

await buildPrograms()
const ratios = by === 'instructions' ? await ratiosOfInstructions() : await ratiosOfCpu()
const rows = measured.map(({ name }) => {
  const [now, before] = [ratios[name], stored[by]?.[name]]
  return [name, shown(before), shown(now), shown(now === undefined || before === undefined ? undefined : now / before)]
})
printTable([`${by}, ours / without it`, 'stored', 'now', 'now / stored'], rows)
if (flags.update) {
  writeFileSync(file, `${JSON.stringify({ ...stored, [by]: { ...stored[by], ...rounded(ratios) } }, undefined, 2)}\n`)
  console.log('bench/guard.json is written')
} else if (!flags.short) {
  const dearer = measured.filter(({ name }) => !isWithin(ratios[name], stored[by]?.[name]))
  for (const { name } of dearer)
    console.error(`${name}: more than ${Math.round((tolerance - 1) * 100)} % dearer than stored, or not measured`)
  process.exitCode = dearer.length === 0 ? 0 : 1
}

function inThousands(count: number): string {
  return (count / 1000).toFixed(count < 100_000 ? 1 : 0)
}

function isWithin(now: number | undefined, before: number | undefined): boolean {
  // What is not stored yet is shown only.
  return now !== undefined && (before === undefined || now <= before * tolerance)
}

async function ratiosOfInstructions(): Promise<Ratios> {
  // Instructions are the same on whichever core they run.
  pinNothing()
  const found: Record<string, number> = {}
  for (const { name, ours, reference, isMiss, forms = [] } of flags.short ? measured.slice(0, 1) : measured) {
    const pathOf = (at: number): string => (isMiss ? `/page/new-${at}` : '/page/1')
    const [asking, askingByHand] = [
      { pathOf, form: forms[0] },
      { pathOf, form: forms[1] },
    ]
    const scale = flags.short ? 0.01 : 1
    const [own, byHand] = await Promise.all([
      instructionsFor(ours, asking, node, scale),
      instructionsFor(reference, askingByHand, node, scale),
    ])
    const ownBytes = await bytesFor(ours, asking, node, scale)
    const bytesByHand = await bytesFor(reference, askingByHand, node, scale)
    const referred = ours === reference ? `${reference}, 200` : reference
    console.log(
      `${name}: ${inThousands(own)} thousand instructions, ${inThousands(ownBytes)} thousand bytes allocated; ` +
        `${referred}: ${inThousands(byHand)} and ${inThousands(bytesByHand)}`,
    )
    found[name] = own / byHand
  }
  return found
}

/** The lowest of up to three: what others do on the machine makes a ratio worse by chance, and a change makes it worse each time. */
async function ratiosOfCpu(): Promise<Ratios> {
  const found: Record<string, number> = {}
  for (let attempt = 0; attempt < 3; attempt++) {
    for (const isMiss of [false, true]) {
      const these = measured.filter((one) => (one.isMiss === true) === isMiss)
      const load = isMiss ? { paths: ['/page/new'], unique: true } : { paths: ['/page/1'] }
      const lines = these.flatMap(({ ours, reference }) => [ours, reference])
      const compared = await compare({ name: 'guard', lines, ours: 'ours express', load, short: lines }, around())
      for (const { name, ours, reference } of these)
        found[name] = Math.min(
          found[name] ?? Number.POSITIVE_INFINITY,
          compared.get(`guard: ${ours} / ${reference}`) ?? Number.NaN,
        )
    }
    if (flags.short || measured.every(({ name }) => isWithin(found[name], stored[by]?.[name]))) break
  }
  return found
}

function around(): Surroundings {
  const [rounds, processes] = flags.short ? [1, 1] : [4, 2]
  return { node, redis: undefined, rounds, processes, hasBefore: false, isShort: flags.short }
}

function rounded(found: Ratios): Ratios {
  return Object.fromEntries(Object.entries(found).map(([name, ratio]) => [name, Number(ratio.toFixed(3))]))
}
