import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { ExampleProcess } from './example-process.js'

const running: ExampleProcess[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((example) => example.stop()))
})

describe.each(['express', 'koa', 'node-http'])('examples/%s.ts', (name) => {
  it('answers the second request from the cache, and with new data after a write', async () => {
    const example = new ExampleProcess(`${name}.ts`, { PORT: '0', REDIS_URL: undefined })
    running.push(example)
    const port = /\d+/.exec(await example.printed(/port: \d+/))?.[0]
    const path = `http://127.0.0.1:${port}/digests/hello`
    const get = async () => {
      const answer = await fetch(path)
      return { status: answer.headers.get('cache-status'), body: await answer.text() }
    }
    const first = await get()
    expect(first.status).toContain('fwd=uri-miss')
    const second = await get()
    expect(second.status).toContain('; hit')
    expect(second.body).toBe(first.body)
    expect((await fetch(`${path}/salt/pepper`, { method: 'PUT' })).status).toBe(204)
    const third = await get()
    expect(third.status).toContain('fwd=uri-miss')
    expect(third.body).not.toBe(first.body)
  })
})

describe('examples/values.ts', () => {
  it('computes once for ten callers, and forgets what is invalidated', async () => {
    const { code, output } = await new ExampleProcess('values.ts', { REDIS_URL: undefined }).ended()
    expect(output).toContain('answers: 10 runs: 1')
    expect(output).toContain('q2 after invalidateTags: null')
    expect(output).toContain('q1 after invalidatePrefix: null')
    expect(code).toBe(0)
  })
})

it.each(['express.ts', 'koa.ts', 'node-http.ts', 'values.ts'])('examples/%s fits on one screen', (file) => {
  const lines = readFileSync(new URL(`../../examples/${file}`, import.meta.url), 'utf8').split('\n')
  expect(lines.length).toBeLessThan(40)
})
