import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { CLIENT_KINDS } from '../support/clients.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { Worker } from '../support/worker.js'
import { milliseconds, printTable } from './table.js'

const rows: Record<string, string | number>[] = []

describe.each(CLIENT_KINDS)('with %s and a Redis that freezes under load', (kind) => {
  let server: RedisServer
  let worker: Worker

  beforeAll(async () => {
    server = await RedisServer.start()
    worker = await Worker.start({ client: { kind, port: server.port } })
    await until('an answer from Redis', async () => {
      await worker.set('warm', 1)
      return (await worker.find('warm'))?.tier === 'redis'
    })
  })
  afterEach(() => server.resume())
  afterAll(async () => {
    await worker?.stop()
    await server?.stop()
  })

  it('gives the client at most 200 commands, memory grows by little, and no request waits', async () => {
    const options = { known: 50, unknownEvery: 3, setEvery: 2 } as const
    await worker.load({ ...options, duration: 500, rate: 2_000 })
    server.freeze()
    const report = await worker.load({ ...options, duration: 2_000, rate: 2_000 })
    rows.push({
      client: kind,
      requests: report.requests,
      worst: milliseconds(report.worst),
      p50: milliseconds(report.p50),
      'most held': report.mostPending ?? '-',
      'memory growth MiB': report.memoryGrowth.toFixed(1),
    })
    expect(report.wrong).toEqual([])
    expect(report.worst).toBeLessThan(80)
    expect(report.mostPending ?? 0).toBeLessThan(220)
    expect(report.memoryGrowth).toBeLessThan(64)
    expect(await worker.troubles()).toEqual([])
  })
})

afterAll(() => {
  if (rows.length > 0) printTable('frozen under 2,000 requests a second for 2 s', rows)
})
