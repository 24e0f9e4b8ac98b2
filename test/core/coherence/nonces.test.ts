import { describe, expect, it } from 'vitest'
import { Nonces, readNote } from '../../../src/core/coherence/nonces.js'

const note = { life: '4be1c2a9d0f3r', from: 0, upTo: 1_764_000_000_000_000, age: 61_000 }

describe('Nonces', () => {
  it('gives every record another name', () => {
    const nonces = new Nonces()
    expect(new Set([nonces.next(), nonces.next(), new Nonces().next()]).size).toBe(3)
  })

  it('begins every name with the id of the process', () => {
    const nonces = new Nonces()
    expect(nonces.id).toMatch(/^[0-9a-f]{12}$/)
    expect([nonces.next(), nonces.next()]).toEqual([`${nonces.id}-1`, `${nonces.id}-2`])
  })

  it('knows its own names again, and those of no other process', () => {
    const nonces = new Nonces()
    expect([nonces.next(), nonces.nextNote(note)].map((nonce) => nonces.isOwn(nonce))).toEqual([true, true])
    expect(nonces.isOwn(new Nonces().next())).toBe(false)
  })
})

describe('readNote', () => {
  it('reads out of a name what its issuer knows of a life of the log', () => {
    expect(readNote(new Nonces().nextNote({ ...note, age: 61_000.7 }))).toEqual(note)
    expect(readNote(new Nonces().next())).toBe(undefined)
  })
})
