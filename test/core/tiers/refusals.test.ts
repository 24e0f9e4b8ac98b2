import { describe, expect, it } from 'vitest'
import { newCounters } from '../../../src/core/counters.js'
import { type Purpose, Refusals } from '../../../src/core/tiers/refusals.js'
import { ManualClock } from '../../support/manual-clock.js'

function make() {
  const clock = new ManualClock()
  const counters = newCounters()
  const told: string[] = []
  const refusals = new Refusals(
    clock,
    counters,
    ({ code }) => void told.push(`begin ${code}`),
    ({ code }) => void told.push(`end ${code}`),
  )
  const refuse = (message: string, purpose: Purpose): void => {
    const error = new Error(message)
    refusals.begin(refusals.count(error), error, purpose)
  }
  return { clock, counters, told, refusals, refuse }
}

describe('Refusals', () => {
  it('tells a kind when it begins, and when what was refused works again', () => {
    const { clock, told, refusals, refuse } = make()
    for (let round = 0; round < 3; round++) refuse('OOM no', 'store')
    expect(refusals.first).toMatchObject({ code: 'OOM', message: 'OOM no' })
    expect(refusals.isAny).toBe(true)
    clock.advance(2000)
    refusals.worked('read')
    expect(told).toEqual(['begin OOM'])
    refusals.worked('store')
    expect(told).toEqual(['begin OOM', 'end OOM'])
    expect([refusals.isAny, refusals.first]).toEqual([false, undefined])
  })

  it('does not end a kind that comes and goes', () => {
    const { clock, told, refusals, refuse } = make()
    for (let round = 0; round < 50; round++) {
      refuse('OOM no', 'store')
      clock.advance(1999)
      refusals.worked('store')
    }
    expect(told).toEqual(['begin OOM'])
  })

  it('ends a kind when all of what it refused works', () => {
    const { clock, told, refusals, refuse } = make()
    refuse('NOPERM no', 'store')
    refuse('NOPERM no', 'read')
    clock.advance(2000)
    refusals.worked('read')
    expect(told).toEqual(['begin NOPERM'])
    refusals.worked('store')
    expect(told).toEqual(['begin NOPERM', 'end NOPERM'])
  })

  it('ends a refused invalidation when a recovery has made up for it, at the next command that works', () => {
    const { clock, told, refusals, refuse } = make()
    refuse('NOPERM no', 'invalidate')
    refusals.recovered()
    refusals.worked('read')
    expect(told).toEqual(['begin NOPERM'])
    clock.advance(2000)
    refusals.worked('read')
    expect(told).toEqual(['begin NOPERM', 'end NOPERM'])
    refuse('NOPERM no', 'invalidate')
    refuse('NOPERM no', 'store')
    refusals.recovered()
    clock.advance(2000)
    refusals.worked('read')
    expect(refusals.first).toMatchObject({ code: 'NOPERM' })
    refusals.worked('store')
    expect(refusals.isAny).toBe(false)
  })

  it('tells of other commands that are refused after an invalidation, which is told as an outage', () => {
    const { clock, told, refusals, refuse } = make()
    refuse('NOPERM no', 'invalidate')
    refusals.recovered()
    for (let round = 0; round < 3; round++) refuse('NOPERM no', 'store')
    expect(told).toEqual(['begin NOPERM', 'begin NOPERM'])
    expect(refusals.first).toMatchObject({ purpose: 'store' })
    refuse('NOPERM no', 'invalidate')
    refusals.recovered()
    clock.advance(2000)
    refusals.worked('store')
    expect(told).toEqual(['begin NOPERM', 'begin NOPERM', 'end NOPERM'])
  })

  it('tells of reads that are refused beside a sweep that always is, and of their end', () => {
    const { clock, told, refusals, refuse } = make()
    refuse('NOPERM no scan', 'sweep')
    refuse('NOPERM no mget', 'read')
    expect(told).toEqual(['begin NOPERM', 'begin NOPERM'])
    expect(refusals.first).toMatchObject({ message: 'NOPERM no mget' })
    clock.advance(2000)
    refusals.worked('read')
    expect(told).toEqual(['begin NOPERM', 'begin NOPERM', 'end NOPERM'])
    expect(refusals.first).toMatchObject({ message: 'NOPERM no scan' })
  })

  it('counts by code, with a bound on codes that anybody may make up', () => {
    const { counters, refusals } = make()
    for (let index = 0; index < 1000; index++) refusals.count(new Error(`CODE${index} made up`))
    refusals.count(new Error('no code at all'))
    refusals.count(new Error("ERR The user executing the script can't run this command or subcommand"))
    expect(Object.keys(counters.redisErrors).length).toBeLessThanOrEqual(33)
    expect(counters.redisErrors.CODE0).toBe(1)
    expect(counters.redisErrors.OTHER).toBe(1002 - 32)
  })

  it('counts a message without a code under OTHER', () => {
    const { counters, refusals } = make()
    expect(refusals.count(new Error('no code at all'))).toBe('OTHER')
    expect(counters.redisErrors).toEqual({ OTHER: 1 })
  })

  it('tells whether the last lookup was refused, regardless of other commands', () => {
    const { refusals, refuse } = make()
    expect(refusals.refusesReads).toBe(false)
    refuse('OOM no', 'store')
    expect(refusals.refusesReads).toBe(false)
    refuse('NOPERM no', 'read')
    expect(refusals.refusesReads).toBe(true)
    refusals.worked('store')
    expect(refusals.refusesReads).toBe(true)
    refusals.worked('read')
    expect(refusals.refusesReads).toBe(false)
  })

  it.each([
    ["ERR The user executing the script can't run this command or subcommand script: 5a91, on @user_script:1."],
    ["ERR ACL failure in script: User default has no permissions to run the 'xadd' command script: 5a91"],
    ['ERR ACL failure in script: No permissions to access a key script: a8f4, on @user_script:1.'],
    ['NOPERM No permissions to access a key'],
  ])('count %s as NOPERM', (message) => {
    const { counters, refusals } = make()
    expect(refusals.count(new Error(message))).toBe('NOPERM')
    expect(counters.redisErrors).toEqual({ NOPERM: 1 })
  })

  it.each(['single flight', 'dashboard', 'invalidate once'] as const)(
    'end after a minute without another one, if they are of %s, which may not be tried for hours',
    (purpose) => {
      const { clock, refusals, refuse, told } = make()
      refuse('NOPERM no', purpose)
      clock.advance(59_000)
      refusals.worked('read')
      expect(told).toEqual(['begin NOPERM'])
      clock.advance(1_000)
      refusals.worked('read')
      expect(told).toEqual(['begin NOPERM', 'end NOPERM'])
      refuse('OOM full', 'store')
      clock.advance(60_000)
      refusals.worked('read')
      expect(refusals.first?.code).toBe('OOM')
    },
  )
})
