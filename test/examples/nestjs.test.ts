import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { ask, type Got } from '../middleware/hosts/client.js'
import { ExampleProcess } from './example-process.js'

let example: ExampleProcess
let port = 0

beforeAll(async () => {
  example = new ExampleProcess('nestjs/main.ts', { PORT: '0', REDIS_URL: undefined })
  // Nest is many modules, and takes its time to load them.
  port = Number(/\d+/.exec(await example.printed(/port: \d+/, 60_000))?.[0])
  return () => example.stop()
}, 70_000)

const get = (path: string, key: string | undefined, options: Parameters<typeof ask>[2] = {}): Promise<Got> =>
  ask(port, path, { ...options, fields: { ...options.fields, ...(key !== undefined && { 'x-api-key': key }) } })
const put = (path: string) => get(path, 'secret', { method: 'PUT' })

describe('examples/nestjs', () => {
  it('answers users whom the guard lets pass from the cache, and no others', async () => {
    const miss = await get('/products/1', 'secret')
    expect([miss.status, miss.cacheStatus.stored, miss.cacheStatus.ttl]).toEqual([200, true, 300])
    for (const key of ['secret', 'other']) {
      const hit = await get('/products/1', key)
      expect([hit.status, hit.text, hit.cacheStatus.hit]).toEqual([200, miss.text, true])
      expect(hit.field('content-type')).toBe(miss.field('content-type'))
    }
    for (const key of [undefined, 'wrong']) {
      const refused = await get('/products/1', key)
      expect([refused.status, refused.cacheStatus.present]).toEqual([401, false])
      expect(refused.text).not.toContain('price')
    }
    expect((await get('/products/1', 'secret')).cacheStatus.hit).toBe(true)
  })

  it('answers what is known with 304, heads and parts', async () => {
    const { text, lines } = await get('/products/1', 'secret')
    const known = await get('/products/1', 'secret', { fields: { 'if-none-match': lines('etag')[0] ?? '' } })
    expect([known.status, known.text]).toEqual([304, ''])
    const head = await get('/products/1', 'secret', { method: 'HEAD' })
    expect([head.status, head.field('content-length'), head.cacheStatus.hit]).toEqual([200, String(text.length), true])
    const part = await get('/products/1', 'secret', { fields: { range: 'bytes=0-3' } })
    expect([part.status, part.text]).toEqual([206, text.slice(0, 4)])
  })

  it('runs one handler for many requests at once', async () => {
    await put('/products/2?price=5')
    const all = await Promise.all(Array.from({ length: 10 }, () => get('/products/2', 'secret')))
    expect(new Set(all.map((got) => got.text)).size).toBe(1)
  })

  it('answers with new data after a write, and not after a write that failed', async () => {
    const before = await get('/products/1', 'secret')
    expect((await put('/products/1?price=-1')).status).toBe(404)
    expect((await get('/products/1', 'secret')).cacheStatus.hit).toBe(true)
    expect((await put('/products/1?price=120')).status).toBe(204)
    const after = await get('/products/1', 'secret')
    expect([after.cacheStatus.hit, JSON.parse(after.text).price]).toEqual([false, 120])
    expect(after.text).not.toBe(before.text)
  })

  it('answers with new data after an invalidation through the injected interceptor', async () => {
    await get('/products/1', 'secret')
    expect((await get('/products/1', 'secret')).cacheStatus.hit).toBe(true)
    const imported = await get('/products/imported', 'secret', { method: 'POST' })
    expect([imported.status, JSON.parse(imported.text).durable]).toEqual([200, true])
    expect((await get('/products/1', 'secret')).cacheStatus.hit).toBe(false)
  })

  it('stores nothing that the handler does not share, and no error that a filter has answered', async () => {
    for (let asked = 0; asked < 2; asked++) {
      expect((await get('/products/1/mine', 'secret')).cacheStatus.detail).toBe('api-key')
      expect((await get('/products/1/live', 'secret')).cacheStatus.present).toBe(false)
      const missing = await get('/products/9', 'secret')
      expect([missing.status, missing.text, missing.cacheStatus.hit]).toEqual([404, '{"missing":"9"}', false])
    }
  })

  it('prints no error', () => {
    expect(example.output).not.toMatch(/error/i)
  })
})

describe('the program of docs/frameworks.md', () => {
  it('stores a response, and makes it again after an invalidation', async () => {
    const folder = 'examples/nestjs/.readme'
    const [, program = ''] = /```typescript\n([\s\S]*?)```/.exec(readFileSync('docs/frameworks.md', 'utf8')) ?? []
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      `${folder}/main.ts`,
      program.replace('await app.listen(3000)', "console.log('port:', (await app.listen(0)).address().port)"),
    )
    const shown = new ExampleProcess('nestjs/.readme/main.ts')
    try {
      const at = Number(/\d+/.exec(await shown.printed(/port: \d+/, 60_000))?.[0])
      const seen: unknown[] = []
      for (const method of ['GET', 'GET', 'PUT', 'GET']) {
        const { status, cacheStatus } = await ask(at, '/products/1', { method })
        seen.push([method, status, cacheStatus.hit])
      }
      expect(seen).toEqual([
        ['GET', 200, false],
        ['GET', 200, true],
        ['PUT', 200, false],
        ['GET', 200, false],
      ])
    } finally {
      await shown.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 70_000)
})
