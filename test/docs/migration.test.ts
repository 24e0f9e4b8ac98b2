import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { buildKey } from '../../src/index.js'
import { RedisServer } from '../support/redis-server.js'

// Runs the programs of docs/migration.md, with the packages themselves, in this process.

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = `${root}examples/.migration`
const page = readFileSync(`${root}docs/migration.md`, 'utf8')
const sections = page
  .split(/^## From (?!the )/m)
  .slice(1)
  .map((text) => ({ name: text.slice(0, text.indexOf('\n')), text }))
const programs = sections.flatMap(({ name, text }) =>
  Array.from(text.matchAll(/```js\n([\s\S]*?)```/g), ([, code = ''], at) => ({ name, isOurs: at === 1, code })),
)

let redis: RedisServer
let server: Server | undefined

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  redis = await RedisServer.start()
  process.env.REDIS_PORT = String(redis.port)
})
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await redis?.stop()
})

it('shows six packages, each before and after', () => {
  expect(sections.map(({ name }) => name)).toHaveLength(6)
  expect(programs.map(({ isOurs }) => isOurs)).toEqual(sections.flatMap(() => [false, true]))
})

describe.each(programs)('$name, ours: $isOurs', ({ name, isOurs, code }) => {
  // It reads res._headers, which Node.js 24 no longer has.
  const isBroken = !isOurs && name === 'express-redis-cache' && Number(process.versions.node.split('.')[0]) >= 24

  it.skipIf(isBroken)('answers from the cache, and after a write with the new page', async () => {
    const ask = await opened(`${name}-${isOurs ? 'after' : 'before'}`, code)
    const first = await ask('GET', '/products/1')
    const second = await ask('GET', '/products/1')
    expect(JSON.parse(first.text)).toEqual({ id: '1', made: expect.any(Number) })
    expect(second.text).toBe(first.text)
    if (isOurs) expect(second.said).toContain('; hit')
    // cacheable-response has no call that clears a page.
    if (!code.includes('app.post(') && !code.includes("'POST'")) return
    expect((await ask('POST', '/products/1')).status).toBe(204)
    expect((await ask('GET', '/products/1')).text).not.toBe(first.text)
  })
})

describe('the Python package', () => {
  it('makes the keys that buildKey makes', () => {
    const { vectors } = JSON.parse(readFileSync('test/vectors/build_key.json', 'utf8')) as { vectors: Vector[] }
    const plain = vectors.filter((vector) => vector.plain)
    expect(page).toContain(`a test compares ${plain.length} keys`)
    for (const { prefix, params, key } of plain)
      expect(buildKey(prefix, JSON.parse(params) as Record<string, unknown>)).toBe(key)
  })

  it('has a program that keeps a value under such a key', async () => {
    const print = vi.spyOn(console, 'log').mockImplementation(() => {})
    const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(page) ?? []
    await run('python.ts', code)
    expect(print.mock.calls).toEqual([[buildKey('report', { year: 2026, quarter: 'Q1' }), { total: 7 }]])
  })
})

interface Vector {
  readonly prefix: string
  readonly params: string
  readonly key: string
  readonly plain: boolean
}

/** Runs a program on a port of its own; returns a client of it. */
async function opened(name: string, code: string) {
  const { app } = (await run(`${name}.mjs`, code.replace('app.listen(3000)', 'export { app }'))) as { app: App }
  const started = createServer('callback' in app ? app.callback() : app).listen(0, '127.0.0.1')
  server = started
  await new Promise((resolve) => started.once('listening', resolve))
  const { port } = started.address() as AddressInfo
  return async (method: string, path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method })
    return { status: answer.status, text: await answer.text(), said: answer.headers.get('cache-status') ?? '' }
  }
}

function run(name: string, code: string): Promise<object> {
  writeFileSync(`${folder}/${name}`, code)
  return import(/* @vite-ignore */ pathToFileURL(`${folder}/${name}`).href)
}

type Listener = NonNullable<Parameters<typeof createServer>[0]>
type App = Listener | { callback(): Listener }
