import { describe, expect, it } from 'vitest'
import { forgottenUpTo, Nonces } from '../../../src/core/coherence/nonces.js'

describe('Nonces', () => {
  it('gives every record another name', () => {
    const nonces = new Nonces()
    expect(new Set([nonces.next(), nonces.next(), new Nonces().next()]).size).toBe(3)
  })

  it('knows its own names again, and those of no other process', () => {
    const nonces = new Nonces()
    expect([nonces.next(), nonces.nextForgotten(20)].map((nonce) => nonces.isOwn(nonce))).toEqual([true, true])
    expect(nonces.isOwn(new Nonces().next())).toBe(false)
  })
})

describe('forgottenUpTo', () => {
  it('reads out of a name up to where its issuer no longer remembers', () => {
    expect(forgottenUpTo(new Nonces().nextForgotten(1_764_000_000_000_000))).toBe(1_764_000_000_000_000)
    expect(forgottenUpTo(new Nonces().next())).toBe(0)
  })
})
