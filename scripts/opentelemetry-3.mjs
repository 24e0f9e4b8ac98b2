import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'
import { provideNode } from './node-versions.mjs'

// What test/observe/opentelemetry.test.ts holds with SDK 2, with SDK 3, which needs Node.js 22.15: `npm run apm` runs it.

const FOLDER = '.cache/opentelemetry-3'
const PACKAGES = [
  ...['@opentelemetry/api@1.10', '@opentelemetry/sdk-trace@3.1.1', '@opentelemetry/sdk-metrics@3.1.1'],
  ...['@opentelemetry/context-async-hooks@3.1.1', '@opentelemetry/instrumentation@0.301.1'],
  ...['@opentelemetry/instrumentation-http@0.301.0', '@opentelemetry/instrumentation-express@0.72.0'],
  '@opentelemetry/instrumentation-koa@0.72.0',
]
/** What the program uses of SDK 2, by SDK 3. */
const ADAPTED = `
  import * as sdk from '@opentelemetry/sdk-trace'
  export const { InMemorySpanExporter, TracerProvider: BasicTracerProvider } = sdk
  export class SimpleSpanProcessor extends sdk.SimpleSpanProcessor {
    constructor(exporter) {
      super({ exporter })
    }
  }`

/** @type {import('esbuild').Plugin} */
const AS_SDK_2 = {
  name: 'sdk-3-as-sdk-2',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@opentelemetry\/sdk-trace-base$/ }, ({ path }) => ({ path, namespace: 'sdk-3' }))
    onLoad({ filter: /./, namespace: 'sdk-3' }, () => ({ contents: ADAPTED, resolveDir: process.cwd() }))
  },
}

const ROUTE = '/products/:id'

/** Whether each span has its route and the metric is not split, in four arrangements. @returns {Promise<string[]>} what is not so */
export async function faultsWithSdk3() {
  const node = await provideNode('24')
  if (node === undefined) return ['Node.js 24 is not available']
  provide()
  await build({
    entryPoints: ['test/observe/programs/traced.ts'],
    outfile: `${FOLDER}/traced.mjs`,
    plugins: [AS_SDK_2],
    ...{ bundle: true, format: 'esm', platform: 'node', packages: 'external' },
  })
  return [[], ['frameworks']].flatMap((args) => faultsOf(node, args))
}

/** @param {string} node @param {readonly string[]} args */
function faultsOf(node, args) {
  const seen = JSON.parse(execFileSync(node, [`${FOLDER}/traced.mjs`, ...args], { encoding: 'utf8', timeout: 120_000 }))
  return Object.entries(seen).flatMap(([name, { spans, entered, routes }]) => {
    const names = spans.map((/** @type {{ readonly name: string }} */ span) => span.name)
    const isRight =
      String(names) === String(Array(4).fill(`GET ${ROUTE}`)) &&
      entered === (name.endsWith('serve') ? 1 : 4) &&
      routes.every((/** @type {{ readonly route?: string }} */ { route }) => route === ROUTE)
    const what = `${names}, ${entered} of 4 requests reached the application, metric by ${JSON.stringify(routes)}`
    return isRight ? [] : [`OpenTelemetry SDK 3 ${args}, ${name}: ${what}`]
  })
}

function provide() {
  if (existsSync(`${FOLDER}/node_modules`)) return
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${FOLDER}/package.json`, '{ "name": "sdk-3", "private": true }')
  // The instrumentation of Express and Koa names the API of SDK 2 as its peer.
  const quiet = ['--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', ['install', ...quiet, ...PACKAGES], { cwd: FOLDER, stdio: 'inherit' })
  if (status !== 0) throw new Error('npm install failed')
}
