import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/index.js'
import { ExampleProcess } from '../examples/example-process.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const folder = 'examples/.purge'
const page = readFileSync('docs/runbook.md', 'utf8')
const [, code = ''] = /## Purge everything now[\s\S]*?```ts\n([\s\S]*?)```/.exec(page) ?? []

describe('the script in docs/runbook.md', () => {
  beforeAll(() => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/purge.ts`, code)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('has purged other processes when it ends', async () => {
    const server = await RedisServer.start()
    const cache = new FallbackCache({ redis: server.url, keyPrefix: 'shop:' })
    try {
      await until('connected', () => cache.stats().connected)
      await cache.set('page', 'old', '1h')
      const script = new ExampleProcess('.purge/purge.ts', { REDIS_URL: server.url, KEY_PREFIX: 'shop:' })
      expect((await script.ended()).output).toContain('purged in every process')
      expect(await cache.get('page')).toBe(null)
    } finally {
      await cache.close()
      await server.stop()
    }
  }, 60_000)
})
