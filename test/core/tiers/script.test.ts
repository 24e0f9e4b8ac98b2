import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { IoredisPort } from '../../../src/core/tiers/ioredis-port.js'
import { Script } from '../../../src/core/tiers/script.js'
import { RedisServer } from '../../support/redis-server.js'

describe('Script', () => {
  let server: RedisServer
  let client: Redis
  let port: IoredisPort

  beforeAll(async () => {
    server = await RedisServer.start()
    client = new Redis(server.url)
    port = new IoredisPort(client)
  })
  afterAll(async () => {
    client.disconnect()
    await server.stop()
  })
  beforeEach(async () => {
    await server.command('SCRIPT', 'FLUSH')
    await server.command('CONFIG', 'RESETSTAT')
  })

  const script = new Script(`return { KEYS[1], ARGV[1], #KEYS, #ARGV }`)
  const bytes = Buffer.from([0, 255, 10])

  it('is sent in full when Redis does not know it, and by its hash from then on', async () => {
    const reply = [Buffer.from('key'), bytes, 1, 2]
    expect(await script.run(port, ['key'], [bytes, ''])).toEqual(reply)
    expect(await server.commandCounts()).toMatchObject({ evalsha: 1, eval: 1 })
    expect(await script.run(port, ['key'], [bytes, ''])).toEqual(reply)
    expect(await server.commandCounts()).toMatchObject({ evalsha: 2, eval: 1 })
  })

  it('is sent in full again after SCRIPT FLUSH, as after a restart', async () => {
    await script.run(port, ['key'], [bytes])
    await server.command('SCRIPT', 'FLUSH')
    expect(await script.run(port, ['key'], [bytes])).toEqual([Buffer.from('key'), bytes, 1, 1])
    expect(await server.commandCounts()).toMatchObject({ evalsha: 2, eval: 2 })
  })

  it('hands on any other error, and does not run twice', async () => {
    const wrong = new Script(`return redis.call('ZCARD', KEYS[1])`)
    await server.command('SET', 'text', 'x')
    await expect(wrong.run(port, ['text'], [])).rejects.toThrow('WRONGTYPE')
    await expect(wrong.run(port, ['text'], [])).rejects.toThrow('WRONGTYPE')
    expect(await server.commandCounts()).toMatchObject({ eval: 1 })
  })
})
