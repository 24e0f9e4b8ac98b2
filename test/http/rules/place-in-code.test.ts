import { describe, expect, it } from 'vitest'
import { placeIn } from '../../../src/http/rules/place-in-code.js'

const express = 'at Layer.handleRequest (/app/node_modules/router/lib/layer.js:152:17)'

describe('placeIn', () => {
  it.each([
    {
      of: 'the installed package',
      own: ['at placeInCode (file:///app/node_modules/fallback-cache/dist/http-B.mjs:9:5)'],
      between: [
        'at get (file:///app/node_modules/fallback-cache/dist/express-A.mjs:7:1)',
        'at JSON.stringify (<anonymous>)',
      ],
      place: 'file:///app/routes.mjs:3:14',
    },
    {
      of: 'a bundle of the library, beside the application',
      own: ['at placeInCode (/app/vendor.js:900:5)', 'at Proxy.ownKeys (/app/vendor.js:800:1)'],
      between: [],
      place: 'handler (/app/routes.js:3:14)',
    },
    {
      of: 'one bundle',
      own: ['at a (C:\\app\\main.js:1:900)'],
      between: [],
      place: 'b (C:\\app\\main.js:1:20)',
      named: false,
    },
  ])('is the first line of the application: $of', ({ own, between, place, named = true }) => {
    const frames = named ? [...own, ...between, `at ${place}`, express] : [...own, ...between, `at ${place}`]
    const stack = ['Error', ...frames].join('\n    ')
    expect(placeIn(stack)).toBe(named ? place : undefined)
  })
})
