import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundleTogether } from '../../scripts/bundled.mjs'
import { ExampleProcess } from '../examples/example-process.js'
import { until } from '../support/until.js'

/** The pages whose programs can be run as they stand. */
const PAGES = [
  'README.md',
  'docs/getting-started-express.md',
  'docs/getting-started-koa.md',
  'docs/front-door.md',
  'docs/precompress.md',
  'docs/inputs.md',
  'docs/middleware.md',
  'docs/dashboard.md',
  'docs/invalidation.md',
  'docs/monitoring.md',
  'docs/tracing.md',
  'docs/explain.md',
  'docs/shadow.md',
  'docs/testing-your-app.md',
  'docs/how-it-decides.md',
  'docs/personal-pages.md',
  'docs/behind-a-cdn.md',
  'docs/webhooks.md',
  'docs/multi-tenant.md',
  'docs/frameworks.md',
  'docs/large-fleets.md',
  'docs/deployments.md',
  'docs/runbook.md',
]

/** What the programs leave to the reader, in the fewest words. */
const LEFT_TO_THE_READER = `
import type { Request, Response } from 'express'
let made = 0
async function makeReport() { return { made: ++made, text: 'report '.repeat(300) } }
async function whoAsks(req: Request) { return req.get('cookie') === undefined ? undefined : { id: 'ann' } }
async function findProduct(id: string | string[]) { return { id, made: ++made } }
async function runQuery(query: string) {
  made += 1
  return query.includes('broken') ? { data: { made }, errors: [{ message: 'broken' }] } : { data: { made } }
}
async function saveProduct(_req: Request) {}
function nameRequest(_route: string, _result: string) {}
const showProduct = async (req: Request, res: Response) => { res.json(await findProduct(req.params.id ?? '')) }
void [makeReport, runQuery, whoAsks, findProduct, saveProduct, nameRequest, showProduct]
`

/** What programs take from their environment. */
const ENVIRONMENT = { OPERATOR_PASSWORD: 'of the operators', PURGE_SECRET: 'a secret of the purge' }

const root = fileURLToPath(new URL('../..', import.meta.url))
const programs = PAGES.flatMap((page) =>
  programsOf(readFileSync(`${root}${page}`, 'utf8')).map(({ code, extension }, index) => ({
    name: `${page.replace(/^.*\/|\.md$/g, '').toLowerCase()}-${index + 1}${extension}`,
    code,
    isTyped: extension === '.ts',
    isServer: /\.listen\((process\.env\.PORT \?\? )?3000\)|port: 3000/.test(code),
    // One compares two processes over one Redis; others only show how to subscribe to a channel, or a mode that has tests of its own.
    isRun: !/checkCoherence|node:diagnostics_channel|mode: '(shadow|verify)'/.test(code),
  })),
)
const folder = 'examples/.readme'

describe('the programs of the documentation', () => {
  beforeAll(() => {
    mkdirSync(`${root}${folder}`, { recursive: true })
    for (const { name, code, isTyped } of programs) {
      const text = isTyped ? `${LEFT_TO_THE_READER}${code}\nexport {}\n` : code
      writeFileSync(`${root}${folder}/${name}`, onAnyPort(text, isTyped))
    }
    bundleTogether(programs.filter(({ isRun }) => isRun).map(({ name }) => `${folder}/${name}`))
  })

  afterAll(() => {
    rmSync(`${root}${folder}`, { recursive: true, force: true })
  })

  it('are found', () => {
    expect(programs.length).toBeGreaterThanOrEqual(PAGES.length + 5)
  })

  it('compile under strict', async () => {
    const compilerOptions = { incremental: false, noUnusedLocals: false, noUnusedParameters: false }
    const files = programs.filter(({ isTyped }) => isTyped).map(({ name }) => name)
    const config = { extends: '../../tsconfig.json', compilerOptions, files, include: [] }
    writeFileSync(`${root}${folder}/tsconfig.json`, JSON.stringify(config))
    const tsc = `${root}node_modules/typescript-7/bin/tsc`
    const complaints = await promisify(execFile)(process.execPath, [
      tsc,
      '--pretty',
      'false',
      '-p',
      root + folder,
    ]).then(
      ({ stdout }) => stdout,
      ({ stdout, stderr }) => `${stdout}${stderr}`,
    )
    expect(complaints).toBe('')
  })

  for (const { name, code, isServer } of programs.filter(({ isRun }) => isRun)) {
    if (!isServer) {
      it(`${name} runs to its end`, async () => {
        const example = new ExampleProcess(`.readme/${name}`, ENVIRONMENT)
        const { code: exitCode, output } = await example.ended()
        expect(output).toMatch(/^closed$|would be: /m)
        expect(exitCode).toBe(0)
      })
      continue
    }
    it(`${name} answers from the cache the second time`, async () => {
      const example = new ExampleProcess(`.readme/${name}`, ENVIRONMENT)
      const port = (await example.printed(/port (\d+)/)).slice(5)
      const path = pathIn(code)
      const headers = code.includes("'x-api-key'") ? { 'x-api-key': 'key-1' } : {}
      const first = await fetch(`http://localhost:${port}${path}`, { headers })
      const second = await fetch(`http://localhost:${port}${path}`, { headers })
      expect(await second.json()).toEqual(await first.json())
      expect(second.headers.get('cache-status')).toMatch(/^fallback-cache; hit; ttl=\d+; detail=memory$/)
      // A lifetime that a field of the response states comes before the option, and is sent to other caches.
      if (code.includes('CDN-Cache-Control')) {
        expect(second.headers.get('cache-status')).toMatch(/ttl=(600|59\d)/)
        expect(second.headers.get('cdn-cache-control')).toBe('max-age=30')
      }
      await checkHealth(port, code)
      await checkWrites(port, code)
      await checkReplica(port, code)
      await checkInputs(port, code)
      await checkMetrics(port, code)
      await checkDashboard(port, code)
      await checkErrors(port, code)
      await checkTenants(port, code)
      await checkRoles(port, code)
      await example.stop()
    })
  }
})

/** The complete programs of a page; a fragment in JavaScript imports nothing. */
function programsOf(page: string): { readonly code: string; readonly extension: string }[] {
  return Array.from(page.matchAll(/```(ts|js)\n([\s\S]*?)```/g), ([, language, code = '']) => {
    if (language === 'ts') return { code, extension: '.ts' }
    return { code, extension: code.includes('require(') ? '.cjs' : '.mjs' }
  }).filter(({ code, extension }) => extension === '.ts' || /^import |require\(/m.test(code))
}

/** The same program on a port that the system gives, which it prints. */
function onAnyPort(code: string, isTyped: boolean): string {
  const self = isTyped ? 'this: any' : ''
  return code
    .replaceAll("'./adapters/", "'../adapters/")
    .replace(
      /\.listen\((process\.env\.PORT \?\? )?3000\)/,
      `.listen(0, function (${self}) { console.log('port ' + (this ?? {}).address?.().port) })`,
    )
    .replace('await app.listen({ port: 3000 })', "console.log('port ' + new URL(await app.listen({ port: 0 })).port)")
    .replace('port: 3000 })', "port: 0 }, ({ port }) => console.log('port ' + port))")
}

/** A health check in front of the cache. */
async function checkHealth(port: string, code: string): Promise<void> {
  if (!code.includes('/health')) return
  const answer = await fetch(`http://localhost:${port}/health`)
  expect([answer.status, answer.headers.has('cache-status')]).toEqual([200, false])
}

function pathIn(code: string): string {
  if (code.includes('/graphql')) return '/graphql?query={made}'
  return code.includes('/products/') ? '/products/1' : '/report'
}

/** The program that answers errors with 200: they are not stored. */
async function checkErrors(port: string, code: string): Promise<void> {
  if (!code.includes('/graphql')) return
  for (let run = 0; run < 2; run++) {
    const answer = await fetch(`http://localhost:${port}/graphql?query={broken}`)
    expect([answer.status, answer.headers.get('cache-status')]).toEqual([
      200,
      'fallback-cache; fwd=uri-miss; fwd-status=200; detail=cache-if',
    ])
    expect(await answer.json()).toHaveProperty('errors')
  }
}

/** The program with metrics: they tell of the two requests. */
async function checkMetrics(port: string, code: string): Promise<void> {
  if (!code.includes("'/metrics'")) return
  const answer = await fetch(`http://localhost:${port}/metrics`)
  const text = await answer.text()
  for (const labels of ['result="hit",tier="memory"', 'result="miss",tier="origin"']) {
    expect(text).toContain(`fallback_cache_requests_total{cache="default",${labels},route="/report"} 1\n`)
  }
}

/** The dashboard: for all on this machine, or for those who know the password. */
async function checkDashboard(port: string, code: string): Promise<void> {
  if (!code.includes('/__cache')) return
  const ask = async (headers: Record<string, string>) =>
    (await fetch(`http://localhost:${port}/__cache/`, { headers })).status
  const authorization = `Basic ${btoa(`operator:${ENVIRONMENT.OPERATOR_PASSWORD}`)}`
  expect(await ask({})).toBe(code.includes('OPERATOR_PASSWORD') ? 401 : 200)
  expect(await ask({ authorization })).toBe(200)
}

/** The program with tenants: each has its own page, and is invalidated alone. */
async function checkTenants(port: string, code: string): Promise<void> {
  if (!code.includes('/tenants/')) return
  const ask = async (tenant: string) => {
    const answer = await fetch(`http://localhost:${port}/products/1`, { headers: { 'x-tenant': tenant } })
    const { tenant: made } = (await answer.json()) as { tenant: string }
    return [made, answer.headers.get('cache-status')?.includes('; hit') === true]
  }
  for (const tenant of ['a', 'b']) {
    expect(await ask(tenant)).toEqual([tenant, false])
    expect(await ask(tenant)).toEqual([tenant, true])
  }
  await fetch(`http://localhost:${port}/tenants/a`, { method: 'POST' })
  expect([await ask('a'), await ask('b')]).toEqual([
    ['a', false],
    ['b', true],
  ])
}

/** The program that reads inputs: a theme and an organisation select the page, a basket is never stored. */
async function checkInputs(port: string, code: string): Promise<void> {
  if (!code.includes("'/basket'")) return
  const ask = async (path: string, headers: Record<string, string>) =>
    (await fetch(`http://localhost:${port}${path}`, { headers })).headers.get('cache-status')?.slice(16)
  expect(await ask('/report', { cookie: 'theme=dark' })).toMatch(/^fwd=vary-miss.*stored/)
  expect(await ask('/report', { cookie: 'theme=dark' })).toMatch(/^hit/)
  expect(await ask('/basket', { cookie: 'basket=7' })).toBe('fwd=uri-miss; fwd-status=200; detail=cookie-read')
  expect(await ask('/prices', { 'x-org': 'a' })).toMatch(/^fwd=uri-miss.*stored/)
  expect(await ask('/prices', { 'x-org': 'b' })).toMatch(/^fwd=vary-miss.*stored/)
  expect(await ask('/prices', { 'x-org': 'a' })).toMatch(/^hit/)
}

/** The program with roles: those of one role share a page, and others do not get it. */
async function checkRoles(port: string, code: string): Promise<void> {
  if (!code.includes("role: 'editor'")) return
  const ask = async (key: string) => {
    const { status, headers } = await fetch(`http://localhost:${port}/report`, { headers: { 'x-api-key': key } })
    return [status, headers.get('cache-status')?.includes('; hit') === true]
  }
  expect(await ask('key-2')).toEqual([200, true])
  expect(await ask('key-3')).toEqual([200, false])
  expect(await ask('key-4')).toEqual([401, false])
}

/** The programs that write: the next read is new. */
async function checkWrites(port: string, code: string): Promise<void> {
  const [, method = '', path = ''] = /(?:app|router)\.(post|put)\('([^']+):id'/.exec(code) ?? []
  if (method === '' || path === '/tenants/') return
  const written = await fetch(`http://localhost:${port}${path}1`, { method: method.toUpperCase() })
  expect(written.status).toBe(204)
  const read = await fetch(`http://localhost:${port}/products/1`)
  expect(read.headers.get('cache-status')).toContain('fwd=uri-miss')
}

/** The program that invalidates twice: what was made from the old replica in between goes too. */
async function checkReplica(port: string, code: string): Promise<void> {
  if (!code.includes('LONGEST_LAG')) return
  // checkWrites has written, and read the page again: without the second invalidation it is a hit from now on.
  await until('the second invalidation', async () => {
    const { headers } = await fetch(`http://localhost:${port}/products/1`)
    return headers.get('cache-status')?.includes('; hit') === false
  })
}
