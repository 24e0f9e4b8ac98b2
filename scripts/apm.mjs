import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { installDependencies } from './install-dependencies.mjs'
import { faultsWithSdk3 } from './opentelemetry-3.mjs'

// npm run apm: what other tracers report of one miss and three hits, measured with their real packages (200 MB, installed in
// .cache/apm). Prints the table in docs/tracing.md and fails where it differs from ROWS. Also OpenTelemetry's SDK 3.

const ROUTE = 'GET /products/:id'
const WITHOUT = { datadog: 'GET', sentry: 'GET /products/1', elastic: 'GET unknown route' }

/** The versions that the table was measured with; `npm run apm -- latest` takes the newest. */
const PACKAGES = { 'dd-trace': '5.132.0', '@sentry/node': '11.12.0', 'elastic-apm-node': '4.18.0' }

/**
 * What is known: whether the front door answers hits in each arrangement, and whether the miss has its route without help.
 *
 * @typedef {{ readonly tracer: keyof typeof WITHOUT, readonly arrangement: string, readonly front: 'on' | 'off' | '-', readonly miss: boolean }} Row
 * @type {readonly Row[]}
 */
export const ROWS = [
  { tracer: 'datadog', arrangement: 'express use', front: '-', miss: true },
  { tracer: 'datadog', arrangement: 'express serve', front: 'on', miss: true },
  { tracer: 'datadog', arrangement: 'koa use', front: '-', miss: true },
  { tracer: 'datadog', arrangement: 'koa serve', front: 'on', miss: true },
  { tracer: 'sentry', arrangement: 'express use', front: '-', miss: true },
  { tracer: 'sentry', arrangement: 'express serve', front: 'on', miss: true },
  { tracer: 'sentry', arrangement: 'koa use', front: '-', miss: true },
  { tracer: 'sentry', arrangement: 'koa serve', front: 'off', miss: true },
  { tracer: 'elastic', arrangement: 'express use', front: '-', miss: true },
  { tracer: 'elastic', arrangement: 'express serve', front: 'off', miss: true },
  { tracer: 'elastic', arrangement: 'koa use', front: '-', miss: false },
  { tracer: 'elastic', arrangement: 'koa serve', front: 'on', miss: false },
]

/** The table of docs/tracing.md. */
export function table() {
  const lines = [
    '| tracer | arrangement | requests | name of hits | with the recipe | front door |',
    '|---|---|---|---|---|---|',
  ]
  for (const { tracer, arrangement, front } of ROWS) {
    const shown = { datadog: 'Datadog', sentry: 'Sentry', elastic: 'Elastic' }[tracer]
    const [framework = '', how = ''] = arrangement.split(' ')
    const mounted = how === 'use' ? '`app.use(cached)`' : '`cached.serve(app)`'
    const name = framework === 'koa' ? 'Koa' : 'Express'
    lines.push(`| ${shown} | ${mounted}, ${name} | 4 | \`${WITHOUT[tracer]}\` | \`${ROUTE}\` | ${front} |`)
  }
  return lines.join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()

async function main() {
  process.chdir(fileURLToPath(new URL('..', import.meta.url)))
  installDependencies()
  const isLatest = process.argv[2] === 'latest'
  provide(Object.entries(PACKAGES).map(([name, version]) => `${name}@${isLatest ? 'latest' : version}`))
  if (!existsSync('dist/index.mjs')) run('npm', ['run', 'build'], '.')
  console.log(table())
  const faults = await faultsWithSdk3()
  for (const tracer of new Set(ROWS.map((row) => row.tracer))) {
    const [alone, named] = [await observed(tracer), await observed(tracer, 'named')]
    for (const row of ROWS.filter((one) => one.tracer === tracer)) {
      const { arrangement } = row
      faults.push(
        ...differences(row, alone[arrangement], named[arrangement]).map((what) => `${tracer}, ${arrangement}: ${what}`),
      )
    }
  }
  // With the settings that docs/tracing.md names, the front door is on everywhere.
  for (const tracer of /** @type {const} */ (['sentry', 'elastic'])) {
    for (const [arrangement, seen] of Object.entries(await observed(tracer, 'named', 'front'))) {
      const row = /** @type {Row} */ ({
        tracer,
        arrangement,
        front: arrangement.endsWith('serve') ? 'on' : '-',
        miss: true,
      })
      faults.push(...hitFaults(row, seen).map((what) => `${tracer}, ${arrangement}, with its settings: ${what}`))
    }
  }
  for (const fault of faults) console.error(`✗ ${fault}`)
  console.log(
    faults.length === 0
      ? `\n${ROWS.length} arrangements as in the table, 8 with the front door on everywhere, and 8 of OpenTelemetry's SDK 3`
      : `\n${faults.length} differences`,
  )
  process.exit(faults.length === 0 ? 0 : 1)
}

/** @typedef {{ readonly names: readonly string[], readonly entered: number } | undefined} Observed */

/**
 * @param {Row} row
 * @param {Observed} alone
 * @param {Observed} named
 * @returns {string[]}
 */
function differences(row, alone, named) {
  const expected = [row.miss ? ROUTE : WITHOUT[row.tracer], ...Array(3).fill(WITHOUT[row.tracer])]
  const faults = hitFaults(row, named)
  if (String(alone?.names) !== String(expected)) faults.push(`reported ${alone?.names}`)
  return faults
}

/** What is wrong with the recipe. @param {Row} row @param {Observed} named @returns {string[]} */
function hitFaults({ front }, named) {
  const faults = []
  if (String(named?.names) !== String(Array(4).fill(ROUTE))) faults.push(`reported ${named?.names} with the recipe`)
  if (named?.entered !== (front === 'on' ? 1 : 4))
    faults.push(`the application has seen ${named?.entered} of 4 requests`)
  return faults
}

/** @param {string[]} args @returns {Promise<Readonly<Record<string, Observed>>>} */
async function observed(...args) {
  const env = { ...process.env, COLLECTOR_PORT: String(await freePort()) }
  const { stdout } = await promisify(execFile)(process.execPath, ['test/apm/observed.cjs', ...args], {
    env,
    timeout: 120_000,
  })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
}

/** @param {string[]} packages */
function provide(packages) {
  mkdirSync('.cache/apm', { recursive: true })
  writeFileSync('.cache/apm/package.json', '{ "name": "tracers", "private": true }')
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...packages], '.cache/apm')
}

/** @param {string} program @param {string[]} args @param {string} cwd */
function run(program, args, cwd) {
  const { status } = spawnSync(program, args, { cwd, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed`)
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
