import { describe, expect, it } from 'vitest'
import { addedContent } from '../../../src/middleware/node/index.js'

describe('what middleware in front has put on a request', () => {
  const added = (cookies: object, cookie: string) => addedContent({ cookies }, { method: 'GET', url: '/', cookie })

  it.each([
    ['theme=dark; lang=is', { theme: 'dark', lang: 'is' }],
    ['a="quoted"; b=caf%C3%A9; c=%E4', { a: 'quoted', b: 'caf\u00e9', c: '%E4' }],
    ['a=first; a=second', { a: 'first' }],
    ['cart=j%3A%7B%22id%22%3A1%7D', { cart: { id: 1 } }],
  ])('is nothing where the cookies are those of the field: %s', (field, cookies) => {
    expect(added(cookies, field)).toBeUndefined()
  })

  it.each([
    ['', { theme: 'dark' }],
    ['theme=light', { theme: 'dark' }],
    ['theme.sig=dark', { theme: 'dark' }],
    ['cart=j%3A%7B%22id%22%3A1%7D', { cart: { id: 2 } }],
  ])('is told apart where the field has other cookies: %s', (field, cookies) => {
    expect(added(cookies, field)).toEqual(expect.any(String))
  })

  it('is found in time that grows with the number of cookies and parameters, not with its square', () => {
    const pairs = Array.from({ length: 30_000 }, (_, at) => `name${at}=${at}`)
    const field = pairs.join('; ')
    const query = Object.fromEntries(new URLSearchParams(pairs.join('&')))
    const started = performance.now()
    expect(added(query, field)).toBeUndefined()
    expect(addedContent({ query }, { method: 'GET', url: `/?${pairs.join('&')}`, cookie: field })).toBeUndefined()
    // The square takes half a minute.
    expect(performance.now() - started).toBeLessThan(3_000)
  })
})
