import { afterEach, describe, expect, it } from 'vitest'
import { Worker } from './worker.js'

describe('Worker', () => {
  let worker: Worker | undefined
  afterEach(() => worker?.stop())

  it('runs a cache in a process of its own', async () => {
    worker = await Worker.start({ cache: { maxEntries: 7 } })
    await worker.set('k', { a: 1 })
    expect(await worker.get('k')).toEqual({ a: 1 })
    expect(await worker.find('k')).toEqual({ value: { a: 1 }, tier: 'memory', disconnected: false })
    expect((await worker.stats()).maxEntries).toBe(7)
    expect(await worker.troubles()).toEqual([])
  })

  it('keeps a handler running for as long as a test wants', async () => {
    worker = await Worker.start()
    const slow = worker.getOrSet('k', 'slow', { gate: 'g' })
    await worker.atGate('g')
    expect(await worker.get('k')).toBe(null)
    await worker.open('g')
    expect(await slow).toEqual({ value: 'slow', ran: true })
    expect(await worker.getOrSet('k', 'other')).toEqual({ value: 'slow', ran: false })
  })

  it('reports what was thrown, also outside of a call', async () => {
    worker = await Worker.start()
    await expect(worker.set('k', 'v', { ttl: -1 })).rejects.toThrow('ttl')
    expect(await worker.troubles()).toEqual([])
  })

  it('measures its own requests', async () => {
    worker = await Worker.start()
    const report = await worker.load({ duration: 300, rate: 500, setEvery: 2 })
    expect(report.wrong).toEqual([])
    expect(report.requests).toBe(150)
    expect(report.worst).toBeLessThan(30)
  })

  it('rejects what is asked of it once it is gone', async () => {
    worker = await Worker.start()
    const slow = worker.getOrSet('k', 'v', { gate: 'never' })
    const gone = expect(slow).rejects.toThrow('SIGKILL')
    await worker.kill()
    await gone
    await expect(worker.get('k')).rejects.toThrow('ended')
  })
})
