import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { bundled } from '../../scripts/bundled.mjs'
import { findRedisServer } from './find-redis-server.js'
import { RedisServer } from './redis-server.js'
import { until } from './until.js'

describe('RedisServer', () => {
  let server: RedisServer | undefined
  afterEach(() => server?.stop())

  it('starts empty on a port of its own and answers', async () => {
    server = await RedisServer.start()
    expect(server.port).not.toBe(6379)
    expect(await server.command('SET', 'k', 'v')).toBe('OK')
    expect(await server.command('GET', 'k')).toBe('v')
    expect(await server.commandBuffer('GET', 'k')).toEqual(Buffer.from('v'))
    expect((await server.commandCounts()).get).toBe(2)
  })

  it('comes back empty on the same port', async () => {
    server = await RedisServer.start()
    const { port } = server
    await server.command('SET', 'k', 'v')
    await server.kill()
    expect(server.running).toBe(false)
    await server.restart()
    expect(server.port).toBe(port)
    expect(await server.command('GET', 'k')).toBe(null)
  })

  it('answers nothing while it is frozen, and everything afterwards', async () => {
    server = await RedisServer.start()
    await server.command('PING')
    server.freeze()
    let answered = false
    const answer = server.command('SET', 'k', 'v').then(() => {
      answered = true
    })
    await sleep(100)
    expect(answered).toBe(false)
    server.resume()
    await answer
    expect(answered).toBe(true)
  })

  it('can be killed while it is frozen', async () => {
    server = await RedisServer.start()
    server.freeze()
    await server.kill()
    expect(server.running).toBe(false)
  })

  it('says how to install a redis-server when there is none', () => {
    expect(() => findRedisServer({ REDIS_SERVER_BIN: '/nowhere/redis-server' })).toThrow('REDIS_SERVER_BIN')
    expect(findRedisServer({ ...process.env, FALLBACK_CACHE_TEST_REDIS: 'redis://127.0.0.1:1' })).toMatch(/server$/)
  })

  it('does not outlive a test process that is killed', async () => {
    const script = `
      import { RedisServer } from ${JSON.stringify(pathToFileURL(bundled('test/support/redis-server.ts')).href)}
      RedisServer.start().then((server) => console.log(server.pid, server.directory))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    const line = await new Promise<string>((resolve) => child.stdout.once('data', (chunk) => resolve(String(chunk))))
    const [pid, directory] = line.trim().split(' ')
    expect(() => process.kill(Number(pid), 0)).not.toThrow()
    child.kill('SIGKILL')
    await until('the server is gone', () => {
      try {
        process.kill(Number(pid), 0)
        return false
      } catch {
        return true
      }
    })
    await until('its directory is gone', () => !existsSync(directory ?? ''))
  })
})
