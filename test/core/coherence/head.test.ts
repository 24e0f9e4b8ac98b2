import { describe, expect, it } from 'vitest'
import { headAt, PROTOCOL, parseHead, readHead } from '../../../src/core/coherence/head.js'

const text = `${PROTOCOL} 4be1c2a9d0f3r 1764000000000000 ab-1 10 1763000000000000 0c2ae8ef881c`

describe('readHead', () => {
  it('reads what the log says of itself', () => {
    expect(readHead(text)).toEqual({
      incarnation: '4be1c2a9d0f3r',
      position: 1_764_000_000_000_000,
      nonce: 'ab-1',
      floor: 10,
      born: 1_763_000_000_000_000,
      run: '0c2ae8ef881c',
      more: '',
      text,
    })
  })

  it('reads a head with fields of a later version, and keeps them', () => {
    const head = parseHead(`${text} later fields`)
    expect(headAt({ position: 2_000, nonce: 'cd-1' }, head).text).toBe(
      `${PROTOCOL} 4be1c2a9d0f3r 2000 cd-1 10 1763000000000000 0c2ae8ef881c later fields`,
    )
  })

  it('reads no head of another protocol, nor anything else', () => {
    for (const other of ['', 'hello', text.replace(/^\d+/, '2'), text.slice(2), `${text}\n`, `x${text}`]) {
      expect(readHead(other)).toBe(undefined)
    }
  })
})

describe('parseHead', () => {
  it('throws what a log says that cannot be read', () => {
    expect(() => parseHead('hello')).toThrow(
      expect.objectContaining({ code: 'log-broken', message: 'the head of the invalidation log is "hello"' }),
    )
  })
})
