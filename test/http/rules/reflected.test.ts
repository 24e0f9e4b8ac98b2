import { describe, expect, it } from 'vitest'
import { reflectedText } from '../../../src/http/rules/reflected.js'

describe('reflectedText', () => {
  const text = { input: 'query:utm', text: 'utm=newsletter' }

  it('finds a text in the body and in a field', () => {
    expect(reflectedText([text], {}, Buffer.from('<a href="/p?utm=newsletter">'))).toBe(text)
    expect(reflectedText([text], { link: '</p?utm=newsletter>; rel=next' }, Buffer.alloc(0))).toBe(text)
    expect(reflectedText([text], {}, Buffer.from('<a href="/p">'))).toBe(undefined)
  })

  it('looks for as many texts as clients send in bounded time, and takes the rest for found', () => {
    const body = Buffer.alloc(5_000_000, '<a href="/p?page=1&utm=">next</a>')
    const texts = Array.from({ length: 32 }, (_, at) => ({
      input: `query:utm${at}`,
      text: `utm${at}=&'"${'a'.repeat(40)}`,
    }))
    const startedAt = process.cpuUsage().user
    expect(reflectedText(texts, {}, body)).toBe(texts[0])
    expect((process.cpuUsage().user - startedAt) / 1000).toBeLessThan(100)
    // A few texts in a body of that size are within the bound.
    expect(reflectedText([{ input: 'baggage', text: 'abcdefgh' }], {}, body)).toBe(undefined)
  })
})
