import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { type Counters, newCounters } from '../../../src/core/counters.js'
import { CacheError } from '../../../src/core/errors.js'
import { CircuitBreaker } from '../../../src/core/tiers/circuit-breaker.js'
import type { RedisPort } from '../../../src/core/tiers/redis-client.js'
import { RedisTier } from '../../../src/core/tiers/redis-tier.js'
import { ManualClock } from '../../support/manual-clock.js'

function make({ threshold = 5, maxInFlight = 200 } = {}) {
  const clock = new ManualClock()
  const state = { ready: true }
  const counters: Counters = newCounters()
  const breaker = new CircuitBreaker(threshold, () => {})
  const late = vi.fn()
  // Of the port it is only asked whether there is a connection; commands come as functions.
  const port = { isReady: () => state.ready } as RedisPort
  const tier = new RedisTier(
    { port, breaker, clock, counters },
    { redisTimeout: 50, maxInFlight },
    { onLateReply: late },
  )
  return { clock, state, counters, breaker, late, tier }
}

const never = (): Promise<never> => new Promise(() => {})

describe('RedisTier', () => {
  it('gives what the operation gives', async () => {
    const { tier, clock } = make()
    expect(await tier.run(async () => 7)).toBe(7)
    expect(tier.inFlight).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('answers at the deadline, also if the client does not, and counts a failure', async () => {
    const { tier, clock, counters, breaker } = make()
    const run = tier.run(never)
    clock.advance(49)
    await turn()
    expect(counters.redisTimeouts).toBe(0)
    clock.advance(1)
    await expect(run).rejects.toMatchObject({ code: 'redis-timeout', message: 'Redis did not answer within 50 ms' })
    expect(counters.redisTimeouts).toBe(1)
    expect(breaker.failures).toBe(1)
    expect(tier.inFlight).toBe(1)
  })

  it('takes a late reply for a sign of life, and for nothing else', async () => {
    const { tier, clock, late, breaker } = make()
    let answer: (value: number) => void = () => {}
    const run = tier.run(() => new Promise<number>((resolve) => (answer = resolve)))
    clock.advance(50)
    await expect(run).rejects.toThrow(CacheError)
    answer(1)
    await turn()
    expect(late).toHaveBeenCalledTimes(1)
    expect(tier.inFlight).toBe(0)
    expect(breaker.failures).toBe(1)
  })

  it('swallows a late error: no caller is left to get it', async () => {
    const { tier, clock, late, breaker } = make()
    let fail: (error: Error) => void = () => {}
    const run = tier.run(() => new Promise((_, reject) => (fail = reject)))
    clock.advance(50)
    await expect(run).rejects.toThrow(CacheError)
    fail(new Error('closed'))
    await turn()
    expect(late).not.toHaveBeenCalled()
    expect(breaker.failures).toBe(1)
  })

  it('takes a late refusal for a sign of life', async () => {
    const { tier, clock, late } = make()
    let fail: (error: Error) => void = () => {}
    const run = tier.run(() => new Promise((_, reject) => (fail = reject)))
    clock.advance(50)
    await expect(run).rejects.toThrow(CacheError)
    fail(new Error('BUSY Redis is busy running a script'))
    await turn()
    expect(late).toHaveBeenCalledTimes(1)
  })

  it('sends no more than may wait at one time', async () => {
    const { tier, counters, breaker } = make({ maxInFlight: 2 })
    void tier.run(never).catch(() => {})
    void tier.run(never).catch(() => {})
    const operation = vi.fn(never)
    await expect(tier.run(operation)).rejects.toMatchObject({ code: 'redis-busy' })
    expect(operation).not.toHaveBeenCalled()
    expect(counters.redisSkipped).toBe(1)
    expect(breaker.failures).toBe(0)
  })

  it('frees the places of commands whose connection is gone, once', async () => {
    const { tier, clock } = make({ maxInFlight: 1 })
    let answer: (value: number) => void = () => {}
    const run = tier.run(() => new Promise<number>((resolve) => (answer = resolve)))
    tier.forgetInFlight()
    expect(tier.inFlight).toBe(0)
    answer(1)
    await run
    expect(tier.inFlight).toBe(0)
    void tier.run(never).catch(() => {})
    expect(tier.inFlight).toBe(1)
    clock.advance(50)
  })

  it('sends nothing while the breaker is not closed, and nothing without a connection', async () => {
    const { tier, state, breaker, counters } = make({ threshold: 2 })
    const operation = vi.fn(async () => 1)
    state.ready = false
    await expect(tier.run(operation)).rejects.toMatchObject({ code: 'redis-unavailable' })
    await expect(tier.run(operation)).rejects.toMatchObject({ code: 'redis-unavailable' })
    expect(breaker.state).toBe('open')
    state.ready = true
    await expect(tier.run(operation)).rejects.toThrow('the circuit breaker is open')
    breaker.halfOpen()
    await expect(tier.run(operation)).rejects.toThrow('the circuit breaker is open')
    expect(operation).not.toHaveBeenCalled()
    expect(counters.redisSkipped).toBe(4)
  })

  it('lets a probe through an open breaker, and moves it neither way', async () => {
    const { tier, breaker, clock } = make({ threshold: 1 })
    breaker.fail()
    expect(await tier.probe(async () => 1)).toBe(1)
    expect(breaker.state).toBe('open')
    const probe = tier.probe(never)
    clock.advance(50)
    await expect(probe).rejects.toMatchObject({ code: 'redis-timeout' })
    expect(breaker.failures).toBe(1)
  })

  it.each([
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'redis-reply', 0],
    ['OOM command not allowed when used memory > maxmemory', 'redis-reply', 0],
    ['NOPERM this user has no permissions', 'redis-reply', 0],
    ['ERR unknown command', 'redis-reply', 0],
    ['READONLY You cannot write against a read only replica.', 'redis-reply', 0],
    ['LOADING Redis is loading the dataset in memory', 'redis-unavailable', 1],
    ['CLUSTERDOWN The cluster is down', 'redis-unavailable', 1],
    ['BUSY Redis is busy running a script', 'redis-unavailable', 1],
    ['Connection is closed.', 'redis-unavailable', 1],
    ['connect ECONNREFUSED 127.0.0.1:6379', 'redis-unavailable', 1],
    ["Stream isn't writeable and enableOfflineQueue options is false", 'redis-unavailable', 1],
    ['', 'redis-unavailable', 1],
  ])('calls "%s" %s', async (message, code, failures) => {
    const { tier, breaker } = make()
    const cause = new Error(message)
    await expect(tier.run(() => Promise.reject(cause))).rejects.toMatchObject({
      name: 'CacheError',
      code,
      cause: { message: message || 'the client failed without a word (Error)' },
    })
    expect(breaker.failures).toBe(failures)
  })

  it('turns all that a client throws into a CacheError, at once or later', async () => {
    const { tier } = make()
    const thrower = (): Promise<never> => {
      throw new TypeError('misuse')
    }
    await expect(tier.run(thrower)).rejects.toMatchObject({ name: 'CacheError', cause: { message: 'misuse' } })
    await expect(tier.run(() => Promise.reject('text'))).rejects.toMatchObject({ code: 'redis-unavailable' })
    await expect(tier.run(() => Promise.reject(undefined))).rejects.toThrow(CacheError)
  })

  it('starts a new count of failures with every answer, an error reply too', async () => {
    const { tier, breaker } = make()
    breaker.fail()
    await tier.run(async () => 1)
    expect(breaker.failures).toBe(0)
    breaker.fail()
    await tier.run(() => Promise.reject(new Error('ERR no'))).catch(() => {})
    expect(breaker.failures).toBe(0)
  })
})
