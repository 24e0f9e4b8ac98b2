import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ExampleProcess } from '../examples/example-process.js'
import { ask as askPort } from '../middleware/hosts/client.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

// Runs each step of docs/introduction.md, and compares what it measures with what the page says.

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = 'examples/.introduction'
const [database = '', ...steps] = readFileSync(`${root}docs/introduction.md`, 'utf8').split(/^## /m)

/** The block of a language in a step. */
function block(step: string | undefined, language: string): string {
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(step ?? '')?.[1] ?? ''
}

const scratch = mkdtempSync(join(tmpdir(), 'introduction-'))
const open: { stop(): Promise<unknown> }[] = []
let files = 0

beforeAll(() => {
  mkdirSync(`${root}${folder}`, { recursive: true })
  writeFileSync(`${root}${folder}/database.mjs`, block(database, 'js'))
  for (const [index, step] of steps.entries()) {
    const code = block(step, 'js')
      .replace('.listen(3000)', ".listen(0, function () { console.log('port ' + this.address().port) })")
      // If a busy machine takes longer than the default, memory answers, with the price before a write.
      .replace('redis: process.env.REDIS_URL', '$&, redisTimeout: 10_000')
    writeFileSync(`${root}${folder}/step-${index + 1}.mjs`, code)
  }
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop()
})
afterAll(() => {
  rmSync(`${root}${folder}`, { recursive: true, force: true })
  rmSync(scratch, { recursive: true, force: true })
})

interface Asked {
  readonly method?: string
  readonly fields?: Record<string, string>
}

interface Got {
  readonly status: number
  readonly price?: number
  readonly basket?: string
  readonly run?: number
  readonly durable?: boolean
  /** What `Cache-Status` says: `hit`, `fwd=uri-miss`, … */
  readonly said: string
  readonly detail: string
}

/** Starts the program of a step, with a database of its own or that of another process. */
async function start(step: number, env: NodeJS.ProcessEnv = {}) {
  const file = { DATABASE: join(scratch, `prices-${++files}.json`), ...env }
  const example = new ExampleProcess(`.introduction/step-${step}.mjs`, { REDIS_URL: undefined, ...file })
  open.push(example)
  const port = (await example.printed(/port (\d+)/)).slice(5)
  // As behind a load balancer: all processes are asked for the same host.
  const ask = async (path: string, { method = 'GET', fields = {} }: Asked = {}): Promise<Got> => {
    const answer = await askPort(Number(port), path, { method, fields: { host: 'shop.example', ...fields } })
    const body = answer.text.startsWith('{') ? JSON.parse(answer.text) : {}
    const status = answer.field('cache-status') ?? ''
    const said = /; (hit|fwd=[\w-]+)/.exec(status)?.[1] ?? ''
    return { ...body, status: answer.status, said, detail: /detail=([\w-]+)/.exec(status)?.[1] ?? '' }
  }
  return { ask, isReady: async () => (await (await fetch(`http://localhost:${port}/ready`)).json()) === true }
}

/** 50 requests for a page, 10 at a time, in the words of the page. */
async function load(ask: (path: string) => Promise<Got>): Promise<{ said: string; runs: number }> {
  const all: Got[] = []
  for (let round = 0; round < 5; round++) {
    all.push(...(await Promise.all(Array.from({ length: 10 }, () => ask('/products/1')))))
  }
  const good = all.filter(({ status }) => status === 200).length
  return { said: `50 requests, 10 at a time: ${good} answered with 200`, runs: runsOf(all) }
}

function runsOf(all: readonly Got[]): number {
  return Math.max(...all.map(({ run = 0 }) => run))
}

/** That a step of the page says what was measured. */
function expectMeasured(step: number, lines: readonly string[]): void {
  expect(
    block(steps[step - 1], 'text')
      .trim()
      .split('\n'),
  ).toEqual(lines)
}

describe('docs/introduction.md', () => {
  it('has seven steps', () => {
    expect(steps.filter((step) => /^\d\. /.test(step)).length).toBe(7)
  })

  it('gives Redis time on a busy machine', () => {
    expect(readFileSync(`${root}${folder}/step-5.mjs`, 'utf8')).toContain('redisTimeout: 10_000')
  })

  it.each([1, 2])('step %i says how often the handler runs for 50 requests', async (step) => {
    const { ask } = await start(step)
    const { said, runs } = await load(ask)
    expectMeasured(step, [`${said}, handler runs: ${runs}`])
  })

  it('step 3 says which price is read after a write', async () => {
    const { ask } = await start(3)
    const before = await ask('/products/1')
    const write = await ask('/prices/1/12', { method: 'POST' })
    const after = [await ask('/products/1'), await ask('/products/1')]
    expectMeasured(3, [
      `GET /products/1: price ${before.price}`,
      `POST /prices/1/12: ${write.status}`,
      ...after.map(({ price }) => `GET /products/1: price ${price}`),
      `handler runs: ${runsOf([before, ...after])}`,
    ])
  })

  it('step 4 says who gets which basket', async () => {
    const { ask } = await start(4)
    const all: Got[] = []
    const lines: string[] = []
    for (const [path, user] of [
      ['/plain', 'ann'],
      ['/plain', 'bob'],
      ['/basket', 'ann'],
      ['/basket', 'bob'],
      ['/basket', 'ann'],
      ['/basket', 'bob'],
    ] as const) {
      const got = await ask(path, { fields: { 'x-api-key': `key-of-${user}` } })
      all.push(got)
      const said = got.said === 'fwd=bypass' ? `${got.said}; detail=${got.detail}` : got.said
      lines.push(`GET ${path} as ${user}: basket of ${got.basket}, ${said}`)
    }
    expectMeasured(4, [...lines, `handler runs: ${runsOf(all)}`])
  })

  it('step 5 says what two processes answer while their Redis is killed and started', async () => {
    const server = await RedisServer.start()
    open.push(server)
    const env = { DATABASE: join(scratch, 'shared.json'), REDIS_URL: server.url }
    const a = await start(5, env)
    const b = await start(5, env)
    const areReady = async () => (await a.isReady()) && (await b.isReady())
    await until('both are connected', areReady)
    const first = await a.ask('/products/1')
    // Not the lease of the turn to compute it, `…#turn`, which lasts until the entry is stored.
    const isStored = async () =>
      ((await server.command('KEYS', '*/products/1:*')) as string[]).some((key) => !key.endsWith('#turn'))
    await until('stored in Redis', isStored)
    const second = await b.ask('/products/1')
    const write = await b.ask('/prices/1/12', { method: 'POST' })
    const after = await a.ask('/products/1')
    await server.kill()
    await until('the outage is noticed', async () => !(await a.isReady()))
    const { said } = await load(a.ask)
    const late = await a.ask('/prices/1/14', { method: 'POST' })
    const own = await a.ask('/products/1')
    await server.restart()
    await until('both are connected again', areReady, { timeout: 40_000 })
    const other = await b.ask('/products/1')
    const durable = ({ durable }: Got) => (durable === true ? 'durable' : 'not durable')
    expectMeasured(5, [
      `A: GET /products/1: price ${first.price}, ${first.said}`,
      `B: GET /products/1: price ${second.price}, ${second.said} from ${second.detail}`,
      `B: POST /prices/1/12: ${durable(write)}`,
      `A: GET /products/1: price ${after.price}`,
      'Redis is killed',
      `A: ${said}`,
      `A: POST /prices/1/14: ${durable(late)}`,
      `A: GET /products/1: price ${own.price}`,
      'Redis is back',
      `B: GET /products/1: price ${other.price}`,
    ])
  }, 90_000)

  it('step 6 says what a tag invalidates', async () => {
    const { ask } = await start(6)
    const lines: string[] = []
    const read = async (path: string) => {
      const { price, said } = await ask(path)
      lines.push(`GET ${path}: price ${price}, ${said}`)
    }
    await read('/list')
    await read('/products/1')
    lines.push(`POST /prices/1/12: ${(await ask('/prices/1/12', { method: 'POST' })).status}`)
    await read('/list')
    await read('/products/1')
    await read('/list')
    expectMeasured(6, lines)
  })

  it('step 7 says what is answered when the handler fails', async () => {
    const { ask } = await start(7)
    const before = await ask('/products/1')
    const broken = await ask('/break')
    await sleep(1_100)
    const stale = await ask('/products/1')
    const other = await ask('/products/2')
    expectMeasured(7, [
      `GET /products/1: price ${before.price}, ${before.said}`,
      `GET /break: ${broken.status}`,
      `a second later, GET /products/1: ${stale.status}, price ${stale.price}, ${stale.detail}`,
      `a second later, GET /products/2: ${other.status}`,
    ])
  })
})
