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

  it.each([
    ['cart=s:j:{"id":1}.signature', { id: 2 }, true],
    ['cart=s:j:{"id":1}.signature', { id: 1 }, false],
    ['cart=s:abc.def.signature', 'abc', true],
    ['cart=s:abc.def.signature', 'abc.def', false],
    ['cart=s:abc.signature', false, false],
  ])('is told apart behind a signature: %s, %j', (cookie, cart, isAdded) => {
    const told = addedContent({ signedCookies: { cart } }, { method: 'GET', url: '/', cookie })
    expect(typeof told).toBe(isAdded ? 'string' : 'undefined')
  })

  it('is never taken for what was sent because that cannot be compared', () => {
    const deep = `${'['.repeat(12)}${']'.repeat(12)}`
    expect(added({ cart: [JSON.parse(deep)] }, `cart=j:${deep}`)).toBe(false)
    const query = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`a${at}`, { b: '1' }]))
    const url = `/?${Object.keys(query).join('[b]=1&')}[b]=1`
    const told = addedContent(
      { query: { ...query, tenant: 'x' } },
      { method: 'GET', url, cookie: '', parseQuery: () => query },
    )
    expect(told).toBe(false)
  })

  it.each([
    ['/a/1/2', { one: '1', two: '2' }, false],
    ['/a/1/2', { one: '2', two: '1' }, true],
    ['/a/1/1', { one: '1', two: '1' }, false],
    ['/a/1/2', { one: '1', two: undefined }, true],
    ['/files/b/c?d', { path: ['b', 'c'] }, false],
    ['/files/b/c', { path: ['c', 'b'] }, true],
    ['/a/x%2Fy/50%25', { one: 'x/y', two: '50%' }, false],
    ['/a/%E4', { one: '%E4' }, false],
    ['/a/12', { one: '1' }, true],
  ])('is a parameter that is no part of the path, in its order: %s, %j', (url, params, isAdded) => {
    expect(typeof addedContent({ params }, { method: 'GET', url, cookie: '' })).toBe(isAdded ? 'string' : 'undefined')
  })

  it('cannot be compared if it has more than 1,000 values, in a list and in an object', () => {
    const told = (body: object) => addedContent({ body }, { method: 'GET', url: '/', cookie: '' })
    const list = Array.from({ length: 1_000 }, (_, at) => String(at))
    expect(told([...list, 'more'])).toBe(false)
    expect(told({ ...list, more: 'more' })).toBe(false)
    expect(told(list.slice(10))).toEqual(expect.any(String))
    expect(told([0])).not.toBe(told([-0]))
  })

  it('is a value of the query that only has the text of what was sent', () => {
    const told = (admin: unknown) =>
      addedContent({ query: { admin } }, { method: 'GET', url: '/?admin=true', cookie: '' })
    expect(told('true')).toBeUndefined()
    expect(told(true)).toEqual(expect.any(String))
    expect(told({ toString: 'true' })).toEqual(expect.any(String))
  })

  it('is compared in time that does not grow with the number of cookies of one name', () => {
    const cart = Array.from({ length: 900 }, (_, at) => at)
    const started = performance.now()
    expect(added({ cart: [...cart, -1] }, `cart=j:${JSON.stringify(cart)}${'; cart=j:1'.repeat(20_000)}`)).toEqual(
      expect.any(String),
    )
    // Ten seconds, if the value is converted for each of them.
    expect(performance.now() - started).toBeLessThan(2_000)
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
