import { describe, expect, it } from 'vitest'
import { Link } from '../../../src/core/coherence/link.js'
import { RedisReports } from '../../../src/core/coherence/redis-reports.js'
import { GuardedEmitter } from '../../../src/core/events.js'
import { CircuitBreaker } from '../../../src/core/tiers/circuit-breaker.js'
import { ManualClock } from '../../support/manual-clock.js'

/** A Redis that answers pings as it is told, and counts them. */
function make({ threshold = 5, cooldown = 30_000, isUnheard = false } = {}) {
  const clock = new ManualClock()
  const breaker = new CircuitBreaker(threshold, () => {})
  const told: string[] = []
  const still: string[] = []
  const pings: number[] = []
  const state = { answers: true, recovers: true, hangs: false, underWay: 0, mostUnderWay: 0 }
  const link = new Link(breaker, clock, cooldown, {
    ping: async () => {
      pings.push(clock.monotonic())
      state.mostUnderWay = Math.max(state.mostUnderWay, ++state.underWay)
      try {
        if (state.hangs) await new Promise((_, reject) => clock.setTimer(() => reject(new Error('timeout')), 50))
        await turn()
        if (!state.answers) throw new Error('refused')
      } finally {
        state.underWay--
      }
    },
    recover: async () => {
      await turn()
      if (!state.recovers) throw new Error('log')
    },
    onLost: (cause) => told.push(`lost ${cause?.message}`),
    onStillLost: (cause) => still.push(cause.message),
    isUnheard: () => isUnheard,
    onConnected: (ms) => told.push(`connected after ${ms}`),
  })
  return { clock, breaker, told, still, pings, state, link }
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('Link', () => {
  it('is starting until the first look is over, whichever way it ends', async () => {
    const good = make()
    expect(good.link.state).toBe('starting')
    await good.link.lookNow()
    await good.link.whenStarted
    expect(good.link.state).toBe('connected')
    expect(good.told).toEqual(['connected after 0'])

    const bad = make()
    bad.state.answers = false
    await bad.link.lookNow()
    await bad.link.whenStarted
    expect(bad.link.state).toBe('disconnected')
    expect(bad.told).toEqual(['lost refused'])
  })

  it('lets requests wait until the first look is over, or it is closed', async () => {
    const [looked, closed] = [make(), make()]
    const over: string[] = []
    void looked.link.whenStarted.then(() => over.push('looked'))
    void closed.link.whenStarted.then(() => over.push('closed'))
    await turn()
    expect(over).toEqual([])
    const attempt = looked.link.lookNow()
    expect(looked.link.attempt).toBe(attempt)
    await attempt
    expect(looked.link.attempt).toBeUndefined()
    await turn()
    expect(over).toEqual(['looked'])
    closed.link.close()
    await turn()
    expect(over).toEqual(['looked', 'closed'])
  })

  it('does not look again while it is connected', async () => {
    const { link, pings, clock } = make()
    await link.lookNow()
    await clock.advanceInTurns(10_000)
    link.lookSoon()
    await link.lookNow()
    await clock.advanceInTurns(10_000)
    expect([pings.length, clock.pending]).toEqual([1, 0])
  })

  it('has the last error as its cause, an answer of Redis rather than a lost connection', async () => {
    const { link } = make()
    expect(link.cause).toBeUndefined()
    const closed = new Error('closed')
    const loading = new Error('unavailable', { cause: new Error('LOADING Redis is loading the dataset in memory') })
    const down = new Error('unavailable', { cause: new Error('MASTERDOWN Link with MASTER is down') })
    const causes = [closed, new Error('reset'), loading, closed, undefined, down].map((cause) => {
      link.lose(cause)
      return link.cause
    })
    expect(causes.map((cause) => (cause?.cause === undefined ? cause?.message : cause))).toEqual([
      ...['closed', 'reset'],
      ...[loading, loading, loading, down],
    ])
    await link.lookNow()
    expect([link.state, link.cause]).toEqual(['connected', undefined])
  })

  it('tells of each error while it is lost, beside the one with which it was lost', async () => {
    const { link, still, told } = make()
    await link.lookNow()
    told.length = 0
    link.lose()
    link.lose(new Error('first'))
    link.lose()
    link.lose(new Error('second'))
    expect([told, still]).toEqual([['lost undefined'], ['first', 'second']])
  })

  it('does not count as connected before recovery is done', async () => {
    const { link, state } = make()
    state.recovers = false
    await link.lookNow()
    expect(link.state).toBe('disconnected')
    state.recovers = true
    await link.lookNow()
    expect(link.state).toBe('connected')
  })

  it('lets one attempt run at a time, which all share', async () => {
    const { link, state, pings } = make()
    await Promise.all([link.lookNow(), link.lookNow(), link.lookNow()])
    expect(pings).toHaveLength(1)
    expect(state.mostUnderWay).toBe(1)
  })

  it('looks again by itself: soon at first, then less and less often', async () => {
    const { link, state, pings, clock } = make({ threshold: 1000 })
    await link.lookNow()
    state.answers = false
    link.lose(new Error('closed'))
    await clock.advanceInTurns(60_000)
    const pauses = pings.slice(2).map((at, index) => at - (pings[index + 1] ?? 0))
    expect(pauses.slice(0, 5)).toEqual([500, 1000, 2000, 4000, 5000])
    expect(new Set(pauses.slice(5))).toEqual(new Set([5000]))
  })

  it('looks every two seconds while Redis answers that it cannot serve, also if a request was told so first', async () => {
    const { link, pings, clock, breaker } = make({ threshold: 1, cooldown: 30_000 })
    await link.lookNow()
    breaker.fail()
    link.lose(new Error('unavailable', { cause: new Error('MASTERDOWN Link with MASTER is down') }))
    await clock.advanceInTurns(2_000)
    expect(pings).toHaveLength(2)
    expect(link.state).toBe('connected')
  })

  it.each([
    [true, 2_000],
    [false, 30_000],
  ])('looks again by itself when no event will tell (%s), after %i ms', async (isUnheard, ms) => {
    const { link, pings, clock, breaker } = make({ threshold: 1, cooldown: 30_000, isUnheard })
    await link.lookNow()
    breaker.fail()
    link.lose(new Error('closed'))
    await clock.advanceInTurns(ms - 1)
    expect(pings).toHaveLength(1)
    await clock.advanceInTurns(1)
    expect(pings).toHaveLength(2)
  })

  it('waits for the cooldown if it was lost without an error', async () => {
    const { link, pings, clock, breaker } = make({ threshold: 1, cooldown: 30_000 })
    await link.lookNow()
    breaker.fail()
    link.lose()
    await clock.advanceInTurns(29_999)
    expect(pings).toHaveLength(1)
  })

  it('waits for the cooldown once the breaker is open, and half-opens it for the one probe', async () => {
    const { link, state, pings, clock, breaker } = make({ threshold: 1, cooldown: 30_000 })
    state.answers = false
    await link.lookNow()
    expect(breaker.state).toBe('open')
    await clock.advanceInTurns(29_999)
    expect(pings).toHaveLength(1)
    await clock.advanceInTurns(1)
    expect(pings).toHaveLength(2)
    state.answers = true
    await clock.advanceInTurns(30_000)
    expect([link.state, breaker.state]).toEqual(['connected', 'closed'])
  })

  it('looks at once when an event says that Redis may be back, however long the cooldown', async () => {
    const { link, state, clock } = make({ threshold: 1, cooldown: 600_000 })
    state.answers = false
    await link.lookNow()
    await clock.advanceInTurns(10_000)
    state.answers = true
    link.lookSoon()
    await clock.advanceInTurns(0)
    await clock.advanceInTurns(0)
    expect(link.state).toBe('connected')
  })

  it('does not let a storm of events become a storm of probes', async () => {
    const { link, state, pings, clock } = make()
    state.answers = false
    for (let ms = 0; ms < 10_000; ms += 10) {
      link.lookSoon()
      await clock.advanceInTurns(10)
    }
    expect(pings.length).toBeLessThanOrEqual(41)
    expect(pings.length).toBeGreaterThanOrEqual(20)
  })

  it('is not starved by a connection that comes and goes', async () => {
    const { link, state, pings, clock } = make({ threshold: 1000 })
    await link.lookNow()
    state.answers = false
    for (let ms = 0; ms < 5000; ms += 100) {
      link.lose(new Error('closed'))
      await clock.advanceInTurns(100)
    }
    expect(pings.length).toBeGreaterThan(3)
    state.answers = true
    for (let ms = 0; ms < 10_000 && link.state !== 'connected'; ms += 100) {
      link.lose(new Error('closed'))
      await clock.advanceInTurns(100)
    }
    expect(link.state).toBe('connected')
  })

  it('looks once more after an attempt during which an event came', async () => {
    const { link, state, pings, clock } = make()
    state.hangs = true
    void link.lookNow()
    link.lookSoon()
    link.lookSoon()
    state.hangs = false
    await clock.advanceInTurns(250)
    await clock.advanceInTurns(10)
    expect(pings).toHaveLength(2)
    expect(link.state).toBe('connected')
  })

  it('tells of one loss and one return, with other events in between, and how long it was', async () => {
    const { link, state, told, clock } = make()
    await link.lookNow()
    told.length = 0
    state.answers = false
    link.lose(new Error('first'))
    link.lose(new Error('second'))
    await clock.advanceInTurns(2000)
    state.answers = true
    for (let ms = 0; ms < 10_000; ms += 250) await clock.advanceInTurns(250)
    expect(told).toEqual(['lost first', expect.stringMatching(/^connected after (3750|4000)$/)])
  })

  it('leaves no timer behind when it is closed, not even during an attempt that fails later', async () => {
    const { link, state, clock, told } = make()
    state.hangs = true
    void link.lookNow()
    link.lose(new Error('closed'))
    link.close()
    await clock.advanceInTurns(50)
    expect(clock.pending).toBe(0)
    link.lookSoon()
    link.lose()
    await link.lookNow()
    expect(clock.pending).toBe(0)
    expect(link.state).toBe('disconnected')
    expect(told).toEqual(['lost closed'])
  })

  it('is not brought back by an attempt that ends well after it was closed', async () => {
    const { link } = make()
    const attempt = link.lookNow()
    link.close()
    await attempt
    expect(link.state).toBe('disconnected')
  })
})

describe('the log of outages', () => {
  function makeReports() {
    const clock = new ManualClock()
    const lines: string[] = []
    const logger = {
      info: (_details: object, message: string) => void lines.push(message),
      warn: (_details: object, message: string) => void lines.push(message),
    }
    const duties = {
      later: (run: () => void, ms: number) => void clock.setTimer(run, ms),
      cause: () => undefined,
    }
    const reports = new RedisReports({ logger, clock }, new GuardedEmitter(), duties)
    const loseFor = (ms: number): void => {
      reports.lost(new Error('closed'))
      clock.advance(ms)
      reports.recovered({ seconds: ms / 1000, replayed: 0, writeBack: 0 })
    }
    return { clock, lines, loseFor }
  }
  const lost = 'fallback-cache: Redis is not usable, memory answers alone'
  const trusted = 'fallback-cache: Redis is trusted'
  const again = 'fallback-cache: Redis is lost again and again, memory answers each time'
  const over = 'fallback-cache: Redis is trusted, and has not been lost again'

  it('has two lines for each outage that follows five seconds of health, or lasts for one', () => {
    const { clock, lines, loseFor } = makeReports()
    loseFor(100)
    clock.advance(5_000)
    loseFor(100)
    expect(lines.splice(0)).toEqual([lost, trusted, lost, trusted])
    loseFor(999)
    expect(lines.splice(0)).toEqual([])
    loseFor(1_000)
    expect(lines.splice(0)).toEqual([lost, trusted])
    clock.advance(60_000)
    expect(lines).toEqual([])
  })

  it.each([20, 1_100])(
    'has one line more for a connection that is lost for %i ms again and again, and one for its end',
    (ms) => {
      const { clock, lines, loseFor } = makeReports()
      for (let round = 0; round < 3; round++) {
        loseFor(ms)
        clock.advance(200)
      }
      lines.length = 0
      for (let round = 0; round < 1_000; round++) {
        loseFor(ms)
        clock.advance(200)
      }
      expect(lines.splice(0)).toEqual([again])
      loseFor(10_000)
      expect(lines.splice(0)).toEqual([lost, trusted])
      clock.advance(60_000)
      expect(lines).toEqual([over])
    },
  )
})
