import { describe, expect, it } from 'vitest'
import { foreignness } from '../../src/dashboard/same-origin.js'

const OWN = { 'x-fallback-cache': 'dashboard', 'content-type': 'application/json' }

describe('foreignness', () => {
  it.each([
    ['a program', {}, true],
    ['the page over HTTP/2', { origin: 'https://shop.example', ':authority': 'shop.example' }, true],
    ['another port', { origin: 'http://shop.example:81', host: 'shop.example' }, false],
    ['an opaque origin over HTTP/2', { origin: 'null', ':authority': 'shop.example' }, false],
    ['another origin over HTTP/2', { origin: 'https://evil.example', ':authority': 'shop.example' }, false],
    ['an opaque origin without Host', { origin: 'null' }, false],
    ['a link that was typed', { 'sec-fetch-site': 'none' }, false],
  ])('knows %s', (_case, fields, isOwn) => {
    expect(foreignness({ headers: { ...OWN, ...fields } }) === undefined).toBe(isOwn)
  })
})
