import { describe, expect, it } from 'vitest'
import { tryAll } from './conformance.js'
import { reportOf, totalsOf } from './report.js'
import { allRules } from './rules/all.js'

/** What is not met yet, by name; empty when all is. */
const KNOWN_FAILURES: readonly string[] = []

describe('the conformance table', () => {
  it('is met in Express and Koa under both presets, but for declared exceptions and what is known', async () => {
    const outcomes = await tryAll()
    const failed = outcomes.filter(({ result }) => result === 'failed' || result === 'unexpected')
    expect([...new Set(failed.map(({ name }) => name))], reportOf(failed)).toEqual(KNOWN_FAILURES)
    expect(totalsOf(outcomes).rules).toBe(4 * allRules.length)
  }, 240_000)

  it('gives a reason for every exception', () => {
    for (const rule of allRules) {
      for (const reason of Object.values(rule.except)) expect(reason).toMatch(/\w+ \w+/)
    }
  })

  it('has no exception to a MUST in the proxy preset', () => {
    const excepted = allRules.filter(({ except, level }) => except.proxy !== undefined && level.startsWith('MUST'))
    expect(excepted.map(({ section, says }) => `${section} ${says}`)).toEqual([])
  })
})
